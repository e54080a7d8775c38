/**
 * Row 38: memory on a private node goes bad. Who is told, who dies, and can the driver rely on the
 * folio that it is told of? (patch 21: the callback comes before a reference is taken)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { errnoName, type Machine, type Task } from '@mm-lab/mm-core';
import { NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { placeOn, privateLab, writer } from '../node/kit.ts';

const DRAM = 0;
const PRIVATE = 1;
const PAGES = 64;

/** One call of the driver's memory_failure. */
interface Told {
  readonly pfn: number;
  /** References of the folio at the call. */
  readonly references: number;
}

interface Case {
  readonly page: string;
  readonly node: typeof DRAM | typeof PRIVATE;
  /** Chooses the frame, and may do something to it first. */
  readonly frame: (machine: Machine, task: Task) => number;
}

const CASES: readonly Case[] = [
  { page: 'in use, stored to', node: PRIVATE, frame: frameOf },
  { page: 'free', node: PRIVATE, frame: (machine) => freeFrame(machine, PRIVATE) },
  { page: 'poisoned before', node: PRIVATE, frame: poisoned },
  { page: 'in use, stored to', node: DRAM, frame: frameOf },
  { page: 'free', node: DRAM, frame: (machine) => freeFrame(machine, DRAM) },
];

function frameOf(machine: Machine, task: Task): number {
  return machine.ptes.value[machine.ptes.find(task.mm.id, 0)] ?? -1;
}

function poisoned(machine: Machine, task: Task): number {
  const pfn = frameOf(machine, task);
  machine.memoryFailure.memoryFailure(pfn, 0);
  return pfn;
}

/** The last frame of a node that nobody has. */
function freeFrame({ nodes, table }: Machine, nid: number): number {
  const zone = nodes.pgdat(nid).zones.find(({ managedPages }) => managedPages > 0);
  const end = zone === undefined ? 0 : zone.base + zone.spannedPages;
  for (let pfn = end - 1; pfn >= 0; pfn--) {
    if (nodes.nidOf(pfn) === nid && (table.refcount[pfn] ?? 0) === 0) return pfn;
  }
  throw new Error(`node ${nid} has no free page`);
}

function poison({ page, node, frame }: Case): readonly (string | number)[] {
  const told: Told[] = [];
  const found: { machine?: Machine } = {};
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: PRIVATE, pages: 1024, online: false },
    ],
    services: [
      {
        nid: PRIVATE,
        flags: NP_OPS_MIGRATION,
        ops: {
          memory_failure: (folio, pfn) => {
            told.push({ pfn, references: found.machine?.table.refcount[folio] ?? -1 });
          },
        },
      },
    ],
  });
  const { machine } = lab;
  found.machine = machine;
  const task = writer(machine, 'owner', PAGES);
  if (node === PRIVATE) placeOn(lab, task, PAGES, PRIVATE);
  const pfn = frame(machine, task);
  const before = told.length;
  const rc = machine.memoryFailure.memoryFailure(pfn, 0);
  machine.spend();
  const calls = told.slice(before);
  const first = calls[0]?.references;
  const isOwned = page !== 'free';
  task.struct.onPoison = 'signal';
  const read = isOwned ? task.read(0) : 'nobody';
  const name = node === PRIVATE ? 'private' : 'DRAM';
  const outcome = rc === 0 ? '0' : errnoName(-rc);
  return [name, page, outcome, calls.length, first ?? '–', String(read)];
}

function probe(): Figures {
  const rows = CASES.map(poison);
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'used.calls': of(0, 3),
      'used.references': of(0, 4),
      'free.calls': of(1, 3),
      'free.references': of(1, 4),
      'again.calls': of(2, 3),
      'dram.calls': of(3, 3) + of(4, 3),
      unreferenced: rows.filter((row) => row[3] === 1 && row[4] === 0).length,
    },
    tables: [
      {
        name: 'poison',
        title: 'Poison is injected into one page; its owner reads afterwards',
        chart: {
          kind: 'bars',
          x: ['node', 'page'],
          y: ['calls of the driver', 'references at the call'],
        },
        columns: [
          'node',
          'page',
          'memory_failure()',
          'calls of the driver',
          'references at the call',
          'read',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Who is told of poison on a private node, and of what?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'The driver is told once of each page of its node, used or free, and of no other.',
      holds: (results) =>
        results.figure('used.calls') === 1 &&
        results.figure('free.calls') === 1 &&
        results.figure('dram.calls') === 0,
    },
    {
      text: 'It is not told again of poison that is known.',
      holds: (results) => results.figure('again.calls') === 0,
    },
    {
      text: 'Of a free page it is told while nobody holds the folio: the contract is broken.',
      holds: (results) =>
        results.figure('used.references') > 0 &&
        results.figure('free.references') === 0 &&
        results.figure('unreferenced') === 1,
    },
    {
      text: 'Private memory or DRAM, the kernel does the same: SIGBUS for whoever reads the page.',
      holds: (results) => {
        const reads = results.column('poison', 'read');
        const outcomes = results.column('poison', 'memory_failure()');
        return reads[0] === 'SIGBUS' && reads[3] === 'SIGBUS' && outcomes[1] === outcomes[4];
      },
    },
  ],
});
