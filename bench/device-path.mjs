// What a load of a page on a compressing device costs to simulate, beside a load of DRAM, and with
// the options that let the device see each: `node bench/device-path.mjs [--pages 6000]
// [--rows 6000000] [--runs 3]`. Built code only (`pnpm build`). CPU seconds; nothing faults.

import { parseArgs } from 'node:util';
import { cxlCompressDevice, cxlCompression } from '@mm-lab/backend-cxl-compress';
import { cram } from '@mm-lab/cram';
import { createMachine, replay } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { median, randomTrace, since } from './lib/measure.mjs';

const { values } = parseArgs({
  options: {
    pages: { type: 'string', default: '6000' },
    rows: { type: 'string', default: '6000000' },
    runs: { type: 'string', default: '3' },
  },
});
const pages = Number(values.pages);
const rows = Number(values.rows);
const runs = Number(values.runs);
const DEVICE = 1;
const WAYS = [
  { name: 'DRAM', moves: false, device: {} },
  { name: 'device', moves: true, device: {} },
  { name: 'device with a cache', moves: true, device: { cache: { pages: 1024 } } },
  { name: 'device with a queue', moves: true, device: { linkQueue: true } },
];
const trace = randomTrace({ pages, rows, writes: 0 });
const rates = WAYS.map(() => []);
for (let run = 0; run <= runs; run++) {
  WAYS.forEach((way, at) => {
    const rate = rows / seconds(way) / 1e6;
    if (run > 0) rates[at].push(rate);
  });
}
WAYS.forEach(({ name }, at) => {
  console.log(`${name.padStart(20)}: ${median(rates[at]).toFixed(1)} M rows/s (median of ${runs})`);
});

/** Seconds of the rows after the pages were written and moved. */
function seconds({ moves, device }) {
  const nodes = [
    { id: 0, pages: 2 * pages + 2048, cpus: 1 },
    { id: DEVICE, pages: pages + 2048, online: false },
  ];
  const logicalPages = pages + 2048;
  const machine = createMachine({ seed: 1, nodes }, [
    cxlCompressDevice({ logicalPages, capacityBytes: logicalPages * 4096, ...device }),
    nodePrivate(),
    cram(),
    cxlCompression({ nid: DEVICE }),
  ]);
  const task = machine.createTask('bench');
  task.mmap(0, pages);
  let begin = process.cpuUsage();
  const start = {
    row: 2 * pages,
    apply() {
      machine.folios.lruAddDrainAll();
      if (moves) task.movePages([...Array(pages).keys()], DEVICE);
      begin = process.cpuUsage();
    },
  };
  replay(machine, task, trace, { events: [start] });
  const there = machine.usedPages(DEVICE);
  if (there !== (moves ? pages : 0)) throw new Error(`${there} pages are on the device`);
  return since(begin);
}
