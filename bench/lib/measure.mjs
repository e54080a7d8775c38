// What the benchmarks share: seconds of CPU, medians, a trace and its replay.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createMachine, Prng, replay } from '@mm-lab/mm-core';

setFlagsFromString('--expose-gc');
/** Collects garbage: what earlier runs left is not this one's time. */
export const gc = runInNewContext('gc');

/** CPU seconds of this process since `begin`, a `process.cpuUsage()`. */
export function since(begin) {
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}

export function median(list) {
  return quantile(list, 0.5);
}

/** The value below which a part of the list lies. */
export function quantile(list, part) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)];
}

/** Every page stored to and loaded once, so that nothing traps afterwards; then random rows. */
export function randomTrace({ pages, rows, writes }) {
  const prologue = 2 * pages;
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
export function replaySeconds(pages, trace, plugins) {
  const prologue = 2 * pages;
  const nodes = [{ id: 0, pages: Math.ceil(pages * 1.2) + 1024, cpus: 1 }];
  const machine = createMachine({ seed: 1, nodes }, plugins);
  const task = machine.createTask('bench');
  task.mmap(0, pages);
  let begin = process.cpuUsage();
  const start = {
    row: prologue,
    apply() {
      gc();
      begin = process.cpuUsage();
    },
  };
  const { end } = replay(machine, task, trace, { events: [start] });
  const seconds = since(begin);
  if (end !== 'done') throw new Error(`the replay ended: ${end}`);
  if (machine.engine.counts.faulted > prologue) throw new Error('something faulted');
  return seconds;
}
