// What node-private costs a machine that has no private node: the same loops with and without the
// plugin, by turns in one process: `node bench/idle-plugin.mjs [--turns 41] [--pages 3000]
// [--rows 2000000] [--rounds 4]`. Built code only (`pnpm build`). Times are CPU seconds. Read the
// median of the ratios, and between what bounds it lies with 95 % confidence.

import { parseArgs } from 'node:util';
import { createMachine, diskSwap, replay } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { gc, quantile, randomTrace, since } from './lib/measure.mjs';

const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '41' },
    pages: { type: 'string', default: '3000' },
    rows: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '4' },
  },
});
const turns = Number(values.turns);
const pages = Number(values.pages);
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const trace = randomTrace({ pages, rows, writes: 0.3 });
const prologue = 2 * pages;
/** Turns before the first that counts: the compiler sees both kinds of machine. */
const WARM_TURNS = 6;

const LOOPS = {
  'no faults': noFaults,
  'fault and free': faultAndFree,
  'under pressure': underPressure,
};

for (const [name, build] of Object.entries(LOOPS)) {
  const ratios = [];
  for (let turn = -WARM_TURNS; turn < turns; turn++) {
    const ratio = oneTurn(build, turn);
    if (turn >= 0) ratios.push(ratio);
  }
  console.log(`${name.padEnd(16)} ${figures(ratios)}`);
}

/** Time with the plugin by time without, in the order ABBA or BAAB. */
function oneTurn(build, turn) {
  const without = build([]);
  const withPlugin = build([nodePrivate()]);
  const [first, second] = turn % 2 === 0 ? [without, withPlugin] : [withPlugin, without];
  // Untimed: the operating system gives a machine its memory when it is first touched.
  first();
  second();
  gc();
  const begin = first();
  const middle = second() + second();
  const sum = begin + first();
  return turn % 2 === 0 ? middle / sum : sum / middle;
}

/** The median, and the ranks between which the true one lies in 95 of 100 cases. */
function figures(ratios) {
  const reach = 0.98 / Math.sqrt(ratios.length);
  const [low, middle, high] = [0.5 - reach, 0.5, 0.5 + reach].map((part) => {
    return percent(quantile(ratios, Math.max(part, 0)));
  });
  return `${middle} time with the plugin (median of ${ratios.length}; ${low} to ${high})`;
}

/** Rows of a trace whose pages are all there. */
function noFaults(plugins) {
  const machine = createMachine(
    { seed: 1, nodes: [{ id: 0, pages: 2 * pages, cpus: 1 }] },
    plugins,
  );
  const task = machine.createTask('bench');
  task.mmap(0, pages);
  const part = (from, to) => ({
    ...trace,
    rows: to - from,
    ref: trace.ref.subarray(from, to),
    n: trace.n.subarray(from, to),
  });
  replay(machine, task, part(0, prologue));
  const body = part(prologue, trace.rows);
  return () => {
    const begin = process.cpuUsage();
    replay(machine, task, body);
    return since(begin);
  };
}

/** Maps, writes and unmaps memory over and over. */
function faultAndFree(plugins) {
  return loopOn(
    createMachine({ seed: 1, nodes: [{ id: 0, pages: pages + 4096, cpus: 1 }] }, plugins),
  );
}

/** The same with less memory than the program uses: reclaim and swap work all the time. */
function underPressure(plugins) {
  const half = Math.ceil(pages * 0.4) + 256;
  const nodes = [0, 1].map((id) => ({ id, pages: half, cpus: 1 }));
  return loopOn(createMachine({ seed: 1, nodes }, [...plugins, diskSwap({ pages: 2 * pages })]));
}

function loopOn(machine) {
  const task = machine.createTask('bench');
  return () => {
    const begin = process.cpuUsage();
    for (let round = 0; round < rounds; round++) {
      task.mmap(0, pages);
      for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
      task.munmap(0, pages);
    }
    return since(begin);
  };
}

function percent(ratio) {
  const more = 100 * (ratio - 1);
  return `${more < 0 ? '-' : '+'}${Math.abs(more).toFixed(1)} %`;
}
