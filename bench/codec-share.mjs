// Which share of a run on 1 GiB of compressed pages is spent in codecs, rendering of the bytes
// included: `node bench/codec-share.mjs [--mib 1024] [--rows N] [--contents redis-kv] [--codec lz4]
// [--different 8192] [--sizes FILE]`. A run stores to every page once (fill) and then plays a
// program over them, of as many rows a page as the recorded program has unless told. So many pages
// have contents of their own, with 8 versions each; pages beyond repeat them. FILE keeps the sizes
// for the next run. Built code only (`pnpm build`). Ends with 1 if the share of the run is above
// 20 %.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cxlCompressDevice, cxlCompression } from '@mm-lab/backend-cxl-compress';
import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { createMachine, deviceToken, diskSwap, replay } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { contentsOf, Peek } from '@mm-lab/testkit';
import {
  capturedPages,
  concatTraces,
  readCapture,
  readDescription,
  scanTrace,
  shippedTrace,
  vpnOfRow,
  zipfTrace,
} from '@mm-lab/workloads';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    rows: { type: 'string' },
    contents: { type: 'string', default: 'redis-kv' },
    codec: { type: 'string', default: 'lz4' },
    different: { type: 'string', default: '8192' },
    sizes: { type: 'string' },
  },
});
const SHARE_MAX = 0.2;
const compressed = Number(values.mib) * 256;
const dram = Math.max(2048, compressed >> 3);
const logical = compressed + dram;

const { core, sizes, description } = shippedTrace(values.contents);
const unknownPages = Number(values.different);
const capture = await readCapture({ core, sizes, description });
const contents = capturedPages(capture, { seed: 1, unknownPages });
const saved = values.sizes;
const known =
  saved !== undefined && existsSync(saved)
    ? contents.restoreSizes(values.codec, 4096, readFileSync(saved))
    : 0;
const codec = { calls: 0, different: 0, ms: 0 };
// Only first questions about a page are timed: asking the clock takes longer than a known size.
const asked = new Uint8Array(contents.keyCount);
const timed = {
  keyOf: (vpn, version, progress) => contents.keyOf(vpn, version, progress),
  render: (key, out) => contents.render(key, out),
  compressedSize(key, name, blockBytes) {
    codec.calls++;
    if (asked[key] === 1) return contents.compressedSize(key, name, blockBytes);
    asked[key] = 1;
    const begin = performance.now();
    const size = contents.compressedSize(key, name, blockBytes);
    codec.ms += performance.now() - begin;
    codec.different++;
    return size;
  },
};

const peek = new Peek();
const machine = createMachine(
  {
    seed: 1,
    nodes: [
      { id: 0, pages: dram, cpus: 1 },
      { id: 1, pages: logical, online: false },
    ],
    sysctl: { demotion_enabled: true },
  },
  [
    contentsOf(timed),
    cxlCompressDevice({
      logicalPages: logical,
      capacityBytes: logical * 4096,
      codec: values.codec,
    }),
    nodePrivate(MENDED_FOR_CRAM),
    cram(),
    cxlCompression({ nid: 1 }),
    diskSwap({ pages: logical }),
    peek,
  ],
);

const device = peek.services.get(deviceToken('cxl0'));

// Fill DRAM and then the device, as reclaim demotes; play a skewed program over the same pages.
const task = machine.createTask('bench');
const pages = compressed + (dram >> 1);
const recorded = await readDescription(description);
const rowsLikeRecorded = Math.round((recorded.rows / recorded.uniquePages.all) * pages);
const rows = values.rows === undefined ? rowsLikeRecorded : Number(values.rows);
const trace = concatTraces([
  scanTrace({ seed: 1, pages, rows: pages, writeShare: 1 }),
  zipfTrace({ seed: 1, pages, rows, writeShare: 0.1, alpha: 1 }),
]);
let filled = 0;
let held = 0;
let filledCodec;
const events = [
  { row: 0, apply: () => task.mmap(vpnOfRow(trace, 0), pages) },
  {
    row: pages,
    apply: () => {
      filled = performance.now();
      held = device.storedPages();
      filledCodec = { ...codec };
    },
  },
];
const begin = performance.now();
replay(machine, task, trace, { events });
const end = performance.now();

const fillMs = filled - begin;
const runMs = end - filled;
const share = codec.ms / (fillMs + runMs);
const percent = (ms, of) => `${((100 * ms) / of).toFixed(1)} %`;
console.log(
  `${((held * 4096) / 2 ** 20).toFixed(0)} MiB compressed by ${values.codec} after the fill, ` +
    `${codec.calls} sizes asked for of ${codec.different} contents, ${known} known before`,
);
console.log(
  `fill: ${fillMs.toFixed(0)} ms, in codecs ${percent(filledCodec.ms, fillMs)}; ` +
    `${rows} rows: ${runMs.toFixed(0)} ms, in codecs ${percent(codec.ms - filledCodec.ms, runMs)}`,
);
console.log(`share of codecs: ${percent(share, 1)}, at most ${percent(SHARE_MAX, 1)}`);
if (saved !== undefined) writeFileSync(saved, contents.savedSizes(values.codec, 4096));
if (share > SHARE_MAX && Number(values.mib) >= 1024) process.exitCode = 1;
