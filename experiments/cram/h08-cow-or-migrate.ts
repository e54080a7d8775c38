/**
 * H8: a store to a page on the device may migrate its folio (RFC v4), or let the ordinary
 * copy-on-write copy the page off it (the branch of late 2026). What does each cost, and how does
 * that grow with the CPUs that run the program?
 */

import { defineProbe, type Figures } from '@mm-lab/lab';
import { deviceToken, FoliosToken, type Plugin, type Task } from '@mm-lab/mm-core';
import {
  movingOps,
  NodePrivateToken,
  NP_OPS_MIGRATION,
  nodePrivate,
  PrivateHotplugToken,
} from '@mm-lab/node-private';
import { nodeOf } from '../node/kit.ts';
import {
  type CramLab,
  cramLab,
  DEVICE,
  DRAM,
  MENDED_FOR_CRAM,
  onDevice,
  pageRange,
  writer,
} from './kit.ts';

const PAGES = 64;
const CPUS = [1, 2, 4, 16, 64, 256];

/** A node whose pages are read in place and copied by a store that shares them. */
function copiedFrom(): Plugin {
  return {
    name: 'copied-from',
    probe(services) {
      const hotplug = services.get(PrivateHotplugToken);
      const device = services.get(deviceToken('cxl0'));
      hotplug.add_private_memory_driver_managed(DEVICE, { name: 'copied-from' }, device);
      const ops = { ...movingOps(services), flags: NP_OPS_MIGRATION };
      services.get(NodePrivateToken).node_private_set_ops(DEVICE, ops);
      services.get(FoliosToken).lruAddDrainAll();
    },
  };
}

/** Latencies of the first store to each page, in ns, in order. */
function storesOf({ machine }: CramLab, task: Task): readonly number[] {
  const latencies = pageRange(PAGES).map((vpn) => {
    if (nodeOf(machine, task, vpn) !== DEVICE) throw new Error(`page ${vpn} is not there`);
    const begin = machine.clock.now;
    task.write(vpn);
    if (nodeOf(machine, task, vpn) !== DRAM) throw new Error(`page ${vpn} did not come back`);
    return machine.clock.now - begin;
  });
  machine.verify();
  return latencies.sort((one, other) => one - other);
}

function migrated(cpus: number): readonly number[] {
  const lab = cramLab({ cpus });
  const task = onDevice(lab, 'writer', PAGES);
  task.mm.activeCpus = cpus;
  return storesOf(lab, task);
}

/** A child shares its parent's pages, so that each store copies one: what a refused reuse does. */
function copied(cpus: number): readonly number[] {
  const lab = cramLab({ cpus, guards: [nodePrivate(MENDED_FOR_CRAM), copiedFrom()] });
  const parent = writer(lab.machine, 'parent', PAGES);
  parent.movePages([...pageRange(PAGES)], DEVICE);
  const child = parent.fork('child');
  if (typeof child === 'number') throw new Error('no fork');
  child.mm.activeCpus = cpus;
  return storesOf(lab, child);
}

function at(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
}

function probe(): Figures {
  const rows = CPUS.map((cpus) => {
    const [move, copy] = [migrated(cpus), copied(cpus)];
    const gap = at(move, 0.5) - at(copy, 0.5);
    return [cpus, at(move, 0.5), at(move, 0.99), at(copy, 0.5), at(copy, 0.99), gap];
  });
  const of = (row: number, column: number): number => Number(rows.at(row)?.[column]);
  return {
    values: {
      'one_cpu.migrate_ns': of(0, 1),
      'one_cpu.copy_ns': of(0, 3),
      'most_cpus.migrate_ns': of(-1, 1),
      'most_cpus.copy_ns': of(-1, 3),
      'gap.one_cpu_ns': of(0, 5),
      'gap.most_cpus_ns': of(-1, 5),
    },
    tables: [
      {
        name: 'promotion',
        title: 'The first store to a page on the device, in ns',
        columns: ['CPUs in the mm', 'migrate p50', 'migrate p99', 'copy p50', 'copy p99', 'gap'],
        rows,
        chart: {
          x: 'CPUs in the mm',
          y: ['migrate p50', 'copy p50'],
          xLog: true,
          yTitle: 'ns per store',
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'Is copy-on-write a cheaper way off the device than migration?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'On one CPU a copy takes 2 to 4 µs and less than half of what a migration takes.',
      holds: (results) => {
        const copy = results.figure('one_cpu.copy_ns');
        return copy >= 2000 && copy <= 4000 && 2 * copy < results.figure('one_cpu.migrate_ns');
      },
    },
    {
      text: 'Both grow with the CPUs.',
      holds: (results) =>
        results.figure('most_cpus.copy_ns') > 2 * results.figure('one_cpu.copy_ns') &&
        results.figure('most_cpus.migrate_ns') > 2 * results.figure('one_cpu.migrate_ns'),
    },
    {
      text: 'The gap does not: a copy flushes its old entry too, so H8 is wrong in that.',
      holds: (results) => {
        const change = results.figure('gap.most_cpus_ns') - results.figure('gap.one_cpu_ns');
        return Math.abs(change) < 0.1 * results.figure('gap.one_cpu_ns');
      },
    },
  ],
});
