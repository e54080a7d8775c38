// What a machine with 1 TiB in one node costs to build, and what each page costs that is used:
// `node bench/build-1tib.mjs [--gib 1024] [--touch 262144]`. Built code only (`pnpm build`).

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createMachine } from '@mm-lab/mm-core';

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '1024' },
    touch: { type: 'string', default: '262144' },
  },
});
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const pages = Number(values.gib) * 2 ** 18;
const touch = Number(values.touch);

const empty = rss();
const begin = performance.now();
const machine = createMachine({ seed: 1, nodes: [{ id: 0, pages, cpus: 1 }] }, []);
const built = (performance.now() - begin) / 1000;
const afterBuild = rss();

const request = { gfp: 0, order: 0, nid: 0, nodemask: null };
for (let page = 0; page < touch; page++) machine.zoneAlloc.alloc(request);
const afterAlloc = rss();

const task = machine.createTask('bench');
task.mmap(0, touch);
const start = performance.now();
for (let vpn = 0; vpn < touch; vpn++) task.write(vpn);
const seconds = (performance.now() - start) / 1000;
const afterFaults = rss();

// Pages in a CPU's stock are nobody's either.
const { zones } = machine.nodes.pgdat(0);
const free = zones.reduce((sum, zone) => sum + zone.unusedPages, 0);
if (free !== pages - 2 * touch) throw new Error(`${free} pages are free`);
const more = ((afterBuild - empty) / 2 ** 20).toFixed(0);
console.log(`${values.gib} GiB: built in ${built.toFixed(2)} s, ${more} MiB more RSS`);
console.log(`a page allocated: ${each(afterAlloc - afterBuild)} B of RSS (the folio table)`);
console.log(`a page mapped: ${each(afterFaults - afterAlloc)} B of RSS (its page table as well)`);
console.log(`${(touch / seconds / 1e6).toFixed(2)} M faults/s`);

function each(bytes) {
  return (bytes / touch).toFixed(0);
}

function rss() {
  gc();
  return process.memoryUsage.rss();
}
