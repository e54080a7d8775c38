/**
 * Row 10: the allocation gate asks about the node of each zone on each walk, on machines without
 * any private node too. How many questions is that for an allocation, for a fault, and for
 * everything else a machine does?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { createMachine, diskSwap, type Machine } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';

const PAGES = 4096;
const FAULTS = 2048;
const GATE = 'page_alloc.get_page_from_freelist';

/** Ordinary nodes only; the plugin may be there or not. */
function machineWith(nodes: number, plugin: boolean): Machine {
  return createMachine(
    {
      seed: 1,
      nodes: Array.from({ length: nodes }, (_, id) => {
        return { id, pages: PAGES, cpus: id === 0 ? 1 : 0 };
      }),
    },
    [...(plugin ? [nodePrivate()] : []), diskSwap({ pages: 4 * PAGES })],
  );
}

function asked(machine: Machine, only: string | null): number {
  return machine.sites
    .report()
    .filter(({ name }) => only === null || name === only)
    .reduce((sum, site) => sum + site.asked, 0);
}

/** Storms of one kind each: what a walk asks while memory is free, and while it is short. */
function storm(nodes: number, kind: 'free' | 'pressure', plugin = true): readonly number[] {
  const machine = machineWith(nodes, plugin);
  const task = machine.createTask('storm');
  const pages = kind === 'free' ? FAULTS : nodes * PAGES + FAULTS;
  task.mmap(0, pages);
  const fromFault = machine.vmstat().pgfault;
  const fromAlloc = machine.vmstat().pgalloc_normal;
  const fromGate = asked(machine, GATE);
  const fromAll = asked(machine, null);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  const faults = machine.vmstat().pgfault - fromFault;
  const allocations = machine.vmstat().pgalloc_normal - fromAlloc;
  const gate = asked(machine, GATE) - fromGate;
  const all = asked(machine, null) - fromAll;
  machine.verify();
  return [faults, allocations, gate, round(gate / allocations), round(all / faults)];
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function probe(): Figures {
  const cells = [1, 2, 4, 8].flatMap((nodes) => [
    { nodes, kind: 'free' as const },
    { nodes, kind: 'pressure' as const },
  ]);
  const rows = cells.map(({ nodes, kind }) => [nodes, kind, ...storm(nodes, kind)]);
  const of = (nodes: number, kind: string): readonly (string | number)[] =>
    rows.find((row) => row[0] === nodes && row[1] === kind) ?? [];
  const without = storm(1, 'free', false);
  return {
    values: {
      'questions_per_allocation.free': Number(of(1, 'free')[5]),
      'questions_per_allocation.pressure': Number(of(1, 'pressure')[5]),
      'questions_per_fault.free': Number(of(1, 'free')[6]),
      'questions_per_fault.pressure': Number(of(1, 'pressure')[6]),
      difference_without_the_plugin: Number(of(1, 'free')[4]) - Number(without[2]),
    },
    tables: [
      {
        name: 'gate',
        title: 'Questions asked with no private node in the machine',
        columns: [
          'nodes',
          'memory',
          'faults',
          'allocations',
          'gate asked',
          'gate per allocation',
          'all sites per fault',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does the gate cost a machine that has no private node?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'While memory is free an allocation asks once, however many nodes there are.',
      holds: (results) => {
        const memory = results.column('gate', 'memory');
        const per = results.column('gate', 'gate per allocation');
        return memory.every((kind, at) => kind !== 'free' || per[at] === 1);
      },
    },
    {
      text: 'Under pressure it asks more often, for walks repeat and go on to the next node.',
      holds: (results) =>
        results.figure('questions_per_allocation.pressure') >
        results.figure('questions_per_allocation.free'),
    },
    {
      text: 'Whether the plugin is there makes no difference: the sites are the core’s.',
      holds: (results) => results.figure('difference_without_the_plugin') === 0,
    },
  ],
});
