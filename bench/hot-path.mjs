// How fast the access engine runs where nothing faults, beside the bare loop over typed arrays in
// the same process: `node bench/hot-path.mjs [--pages 6000,262144] [--rows 8000000] [--runs 7]`.
// Built code only (`pnpm build`). Times are CPU seconds of the process; read the ratio.

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createMachine, Prng, replay } from '@mm-lab/mm-core';

const { values } = parseArgs({
  options: {
    pages: { type: 'string', default: '6000,262144' },
    rows: { type: 'string', default: '8000000' },
    runs: { type: 'string', default: '7' },
    writes: { type: 'string', default: '0.3' },
  },
});
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const rows = Number(values.rows);
const runs = Number(values.runs);
const writes = Number(values.writes);
const ABIT = 1 << 30;

for (const pages of values.pages.split(',').map(Number)) {
  const { engine, bare } = measure(pages);
  const [fast, base] = [median(engine), median(bare)];
  const ratio = median(engine.map((rate, run) => rate / bare[run])).toFixed(2);
  const figures = `engine ${fast.toFixed(1)}, bare ${base.toFixed(1)} M rows/s, ratio ${ratio}`;
  console.log(`${String(pages).padStart(7)} pages: ${figures} (median of ${runs})`);
}

/** M rows/s of both loops, run by turns. */
function measure(pages) {
  const prologue = 2 * pages;
  const trace = randomTrace(pages, prologue);
  const touched = Uint32Array.from(trace.ref.subarray(prologue), (ref) => ref >>> 1);
  const table = new Int32Array(pages + 512);
  const engine = [];
  const bare = [];
  for (let run = 0; run <= runs; run++) {
    const fast = rows / replaySeconds(pages, trace, prologue) / 1e6;
    const base = rows / bareSeconds(touched, table) / 1e6;
    if (run === 0) continue;
    engine.push(fast);
    bare.push(base);
  }
  return { engine, bare };
}

/** Every page stored to and loaded once, so that nothing traps afterwards; then random rows. */
function randomTrace(pages, prologue) {
  const random = new Prng(1);
  const regions = Array.from({ length: Math.ceil(pages / 512) }, (_, at) => at);
  const ref = new Int32Array(new SharedArrayBuffer(4 * (prologue + rows)));
  const n = new Int32Array(new SharedArrayBuffer(4 * (prologue + rows)));
  for (let page = 0; page < pages; page++) {
    ref[2 * page] = (page << 1) | 1;
    ref[2 * page + 1] = page << 1;
  }
  for (let row = prologue; row < prologue + rows; row++) {
    ref[row] = (random.below(pages) << 1) | (random.chance(writes) ? 1 : 0);
  }
  for (let row = 0; row < prologue + rows; row++) n[row] = 1 + random.below(400);
  return { rows: prologue + rows, regions, ref, n };
}

/** Seconds of a replay from the first row after the prologue to its end. */
function replaySeconds(pages, trace, prologue) {
  const nodes = [{ id: 0, pages: Math.ceil(pages * 1.2) + 1024, cpus: 1 }];
  const machine = createMachine({ seed: 1, nodes }, []);
  const task = machine.createTask('bench');
  task.mmap(0, pages);
  let begin = process.cpuUsage();
  const start = {
    row: prologue,
    apply() {
      gc(); // what earlier runs left is not this one's time
      begin = process.cpuUsage();
    },
  };
  const { end } = replay(machine, task, trace, { events: [start] });
  const seconds = since(begin);
  if (end !== 'done') throw new Error(`the replay ended: ${end}`);
  if (machine.engine.counts.faulted > prologue) throw new Error('something faulted');
  return seconds;
}

/** The loop of a simulator that does nothing but set accessed bits. */
function bareSeconds(touched, table) {
  const begin = process.cpuUsage();
  for (let at = 0; at < touched.length; at++) {
    const page = touched[at];
    table[page] = table[page] | ABIT;
  }
  return since(begin);
}

function since(begin) {
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}

function median(list) {
  return [...list].sort((a, b) => a - b)[list.length >> 1];
}
