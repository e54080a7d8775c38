// What node-private costs a machine that has no private node: `node bench/idle-plugin.mjs
// [--processes 15] [--turns 500] [--pages 800] [--rows 100000] [--loop 'under pressure']`.
// Built code only (`pnpm build`).
//
// Each process makes three machines, one with the plugin and two without, and runs the same short
// loop on them by turns. A turn takes about a millisecond, so some go by undisturbed even on a busy
// machine, and the shortest of each machine is compared: with the plugin by without, and, as a
// control that shows the noise, without by without. The processes begin with another machine in
// turn, because code is compiled for what it meets first. Printed is the median over the processes
// and between what bounds it lies with 95 % confidence.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createMachine, diskSwap, replay } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { median, quantile, randomTrace } from './lib/measure.mjs';

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '15' },
    turns: { type: 'string', default: '500' },
    pages: { type: 'string', default: '800' },
    rows: { type: 'string', default: '100000' },
    loop: { type: 'string', default: 'all' },
    child: { type: 'string' },
  },
});
const turns = Number(values.turns);
const pages = Number(values.pages);
const rows = Number(values.rows);
/** Part of the turns that is not counted: the compiler sees every machine in them. */
const WARM = 0.25;

const LOOPS = {
  'no faults': noFaults,
  'fault and free': faultAndFree,
  'under pressure': underPressure,
};

const chosen = Object.fromEntries(
  Object.entries(LOOPS).filter(([name]) => values.loop === 'all' || values.loop === name),
);

if (values.child === undefined) parent(Number(values.processes));
else console.log(JSON.stringify(child(Number(values.child))));

function parent(processes) {
  const results = [];
  for (let at = 0; at < processes; at++) {
    const args = [fileURLToPath(import.meta.url), '--child', String(at)];
    for (const name of ['turns', 'pages', 'rows', 'loop']) args.push(`--${name}`, values[name]);
    results.push(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })));
  }
  for (const name of Object.keys(chosen)) {
    const found = results.map((result) => result[name]);
    const [{ work }] = found;
    const of = (kind) => figures(found.map((result) => result[kind]));
    const us = median(found.map((result) => result.us)).toFixed(0);
    console.log(`${name} (${us} µs a turn, ${work})`);
    console.log(`  with the plugin by without  ${of('plugin')}`);
    console.log(`  without by without          ${of('control')}`);
  }
}

/** Ratios of the shortest turns of one process. */
function child(at) {
  return Object.fromEntries(
    Object.entries(chosen).map(([name, build]) => [name, compare(build, at)]),
  );
}

function compare(build, at) {
  const kinds = [[], [nodePrivate()], []];
  const order = [0, 1, 2].map((place) => (place + at) % kinds.length);
  const machines = [];
  for (const kind of order) machines[kind] = build(kinds[kind]);
  const best = [Infinity, Infinity, Infinity];
  const warm = Math.ceil(turns * WARM);
  for (let turn = -warm; turn < turns; turn++) {
    for (const kind of rotated(order, Math.abs(turn))) {
      const begin = process.hrtime.bigint();
      machines[kind].run();
      const ns = Number(process.hrtime.bigint() - begin);
      if (turn >= 0) best[kind] = Math.min(best[kind], ns);
    }
  }
  const works = machines.map(({ machine }) => workOf(machine));
  if (new Set(works).size > 1) throw new Error(`not the same work: ${works.join(' / ')}`);
  return {
    plugin: best[1] / best[at % 2 === 0 ? 0 : 2],
    control: at % 2 === 0 ? best[2] / best[0] : best[0] / best[2],
    us: best[0] / 1000,
    work: works[0],
  };
}

function rotated(order, by) {
  return order.map((_, place) => order[(place + by) % order.length]);
}

/** What a machine has done since it was made. */
function workOf(machine) {
  const { pgfault, pgfree, pswpout, pswpin } = machine.vmstat();
  return `${pgfault} faults, ${pgfree} frees, ${pswpout} out, ${pswpin} in`;
}

/** The median, and the ranks between which the true one lies in 95 of 100 cases. */
function figures(ratios) {
  const reach = 0.98 / Math.sqrt(ratios.length);
  const [low, middle, high] = [0.5 - reach, 0.5, 0.5 + reach].map((part) => {
    return percent(quantile(ratios, Math.max(part, 0)));
  });
  return `${middle} (median of ${ratios.length}; ${low} to ${high})`;
}

/** Rows of a trace whose pages are all there. */
function noFaults(plugins) {
  const nodes = [{ id: 0, pages: 2 * pages, cpus: 1 }];
  const machine = createMachine({ seed: 1, nodes }, plugins);
  const task = machine.createTask('bench');
  task.mmap(0, pages);
  const trace = randomTrace({ pages, rows, writes: 0.3 });
  const part = (from, to) => ({
    ...trace,
    rows: to - from,
    ref: trace.ref.subarray(from, to),
    n: trace.n.subarray(from, to),
  });
  replay(machine, task, part(0, 2 * pages));
  const body = part(2 * pages, trace.rows);
  return { machine, run: () => replay(machine, task, body) };
}

/** Maps, writes and unmaps memory over and over. */
function faultAndFree(plugins) {
  const nodes = [{ id: 0, pages: pages + 4096, cpus: 1 }];
  return loopOn(createMachine({ seed: 1, nodes }, plugins));
}

/** The same with less memory than the program uses: reclaim and swap work all the time. */
function underPressure(plugins) {
  const half = Math.ceil(pages * 0.42);
  const nodes = [0, 1].map((id) => ({ id, pages: half, cpus: 1 }));
  return loopOn(createMachine({ seed: 1, nodes }, [...plugins, diskSwap({ pages: 2 * pages })]));
}

function loopOn(machine) {
  const task = machine.createTask('bench');
  const run = () => {
    task.mmap(0, pages);
    for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
    task.munmap(0, pages);
  };
  return { machine, run };
}

function percent(ratio) {
  const more = 100 * (ratio - 1);
  return `${more < 0 ? '-' : '+'}${Math.abs(more).toFixed(1)} %`;
}
