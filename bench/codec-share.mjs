// Which share of a run on 1 GiB of compressed pages is spent in codecs, rendering of the bytes
// included: `node bench/codec-share.mjs [--mib 1024] [--rows 4000000] [--contents redis-kv]`. Built
// code only (`pnpm build`). Ends with 1 if the share is above 20 %.

import { parseArgs } from 'node:util';
import { cxlCompressDevice, cxlCompression } from '@mm-lab/backend-cxl-compress';
import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { createMachine, deviceToken, diskSwap, PageData, replay } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { capturedPages, readCapture, shippedTrace, zipfTrace } from '@mm-lab/workloads';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    rows: { type: 'string', default: '4000000' },
    contents: { type: 'string', default: 'redis-kv' },
    codec: { type: 'string', default: 'lz4' },
  },
});
const SHARE_MAX = 0.2;
const compressed = Number(values.mib) * 256;
const dram = Math.max(2048, compressed >> 3);
const logical = compressed + dram;

const { core, sizes, description } = shippedTrace(values.contents);
const contents = capturedPages(await readCapture({ core, sizes, description }), { seed: 1 });
const codec = { calls: 0, ms: 0 };
const timed = {
  keyOf: (vpn, version, progress) => contents.keyOf(vpn, version, progress),
  render: (key, out) => contents.render(key, out),
  compressedSize(key, name, blockBytes) {
    const begin = performance.now();
    const size = contents.compressedSize(key, name, blockBytes);
    codec.ms += performance.now() - begin;
    codec.calls++;
    return size;
  },
};

let device;
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
    { name: 'contents', register: (services) => services.bindValue(PageData, timed) },
    cxlCompressDevice({
      logicalPages: logical,
      capacityBytes: logical * 4096,
      codec: values.codec,
    }),
    nodePrivate(MENDED_FOR_CRAM),
    cram(),
    cxlCompression({ nid: 1 }),
    diskSwap({ pages: logical }),
    {
      name: 'peek',
      probe: (services) => {
        device = services.get(deviceToken('cxl0'));
      },
    },
  ],
);

// Fill DRAM and then the device, as reclaim demotes; play a skewed program over all of it.
const task = machine.createTask('bench');
const pages = compressed + (dram >> 1);
task.mmap(0, pages);
const begin = performance.now();
for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
const filled = performance.now();
const held = device.storedPages();
const filledCodec = { ...codec };
const trace = zipfTrace({
  seed: 1,
  pages,
  rows: Number(values.rows),
  writeShare: 0.1,
  alpha: 1,
});
const generated = performance.now();
replay(machine, task, trace);
const end = performance.now();

const fillMs = filled - begin;
const runMs = end - generated;
const share = codec.ms / (fillMs + runMs);
console.log(
  `${((held * 4096) / 2 ** 20).toFixed(0)} MiB compressed by ${values.codec}, ` +
    `${codec.calls} sizes asked for, ${(device.storedPages() * 4096) / 2 ** 20} MiB at the end`,
);
console.log(
  `fill ${fillMs.toFixed(0)} ms (codecs ${filledCodec.ms.toFixed(0)}), ` +
    `${values.rows} rows ${runMs.toFixed(0)} ms (codecs ${(codec.ms - filledCodec.ms).toFixed(0)})`,
);
console.log(`share of codecs: ${(100 * share).toFixed(1)} %, at most ${100 * SHARE_MAX} %`);
if (share > SHARE_MAX && Number(values.mib) >= 1024) process.exitCode = 1;
