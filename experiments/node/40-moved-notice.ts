/**
 * Row 40: compaction moves pages inside the node. A backend that keeps something for each page
 * frame (a bitmap, a table of compressed sizes) has to hear of it. How much of its table is wrong
 * after a compaction, by the callbacks that it has?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { type NodePrivateOps, NP_OPS_COMPACTION, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { privateLab, writer } from './kit.ts';

const DRAM = 0;
const PRIVATE = 1;
const PAGES = 1024;

/** Frames that the backend believes to be in use, by pfn. */
type Table = Set<number>;

interface Case {
  readonly callbacks: string;
  readonly flags: number;
  readonly ops: (table: Table) => Omit<NodePrivateOps, 'flags'>;
}

const free = (table: Table) => (folio: number) => {
  table.delete(folio);
  return false;
};
const move = (table: Table) => (src: number, dst: number) => {
  table.delete(src);
  table.add(dst);
};
const MOVABLE = NP_OPS_MIGRATION | NP_OPS_COMPACTION;

/** MIGRATION obliges `folio_migrate`: a driver without use for it brings an empty one. */
const CASES: readonly Case[] = [
  { callbacks: 'no compaction', flags: NP_OPS_MIGRATION, ops: (t) => ({ free_folio: free(t) }) },
  { callbacks: 'neither', flags: MOVABLE, ops: () => ({}) },
  { callbacks: 'free_folio', flags: MOVABLE, ops: (t) => ({ free_folio: free(t) }) },
  { callbacks: 'folio_migrate', flags: MOVABLE, ops: (t) => ({ folio_migrate: move(t) }) },
  {
    callbacks: 'both',
    flags: MOVABLE,
    ops: (t) => ({ folio_migrate: move(t), free_folio: free(t) }),
  },
];

function run({ callbacks, flags, ops }: Case): readonly (string | number)[] {
  const table: Table = new Set();
  const { machine } = privateLab({
    nodes: [
      { id: DRAM, pages: 4096, cpus: 1 },
      { id: PRIVATE, pages: 2048, online: false, movable: true },
    ],
    services: [{ nid: PRIVATE, flags, ops: ops(table) }],
  });
  const task = writer(machine, 'resident', PAGES);
  task.movePages([...Array(PAGES).keys()], PRIVATE);
  // The backend knows what came in, and hears of what goes: every second page is given back.
  for (const pfn of frames()) table.add(pfn);
  for (let vpn = 0; vpn < PAGES; vpn += 2) task.munmap(vpn, 1);
  const before = machine.vmstat();
  machine.pseudoFiles.write(`/sys/devices/system/node/node${PRIVATE}/compact`, '1');
  machine.spend();
  const scanned = machine.vmstat().compact_migrate_scanned - before.compact_migrate_scanned;
  const moved = machine.vmstat().pgmigrate_success - before.pgmigrate_success;
  const used = new Set(frames());
  const stale = [...table].filter((pfn) => !used.has(pfn)).length;
  const missing = [...used].filter((pfn) => !table.has(pfn)).length;
  machine.verify();
  return [callbacks, scanned > 0 ? 'yes' : 'no', moved, used.size, stale, missing];

  /** Frames of the task's pages on the node. */
  function frames(): number[] {
    const found: number[] = [];
    for (let vpn = 0; vpn < PAGES; vpn++) {
      const slot = machine.ptes.find(task.mm.id, vpn);
      const pfn = slot < 0 ? 0 : (machine.ptes.value[slot] ?? 0);
      if (pfn > 0 && machine.nodes.nidOf(pfn) === PRIVATE) found.push(pfn);
    }
    return found;
  }
}

function probe(): Figures {
  const rows = CASES.map(run);
  const wrong = (row: number): number => Number(rows[row]?.[4]) + Number(rows[row]?.[5]);
  return {
    values: {
      'wrong_entries.neither': wrong(1),
      'wrong_entries.free_folio': wrong(2),
      'wrong_entries.folio_migrate': wrong(3),
      'wrong_entries.both': wrong(4),
      pages_moved: Number(rows[4]?.[2]),
    },
    tables: [
      {
        name: 'table',
        title:
          'A backend’s table by page frame after half the pages went and the node was compacted',
        columns: [
          'callbacks',
          'scanned',
          'pages moved',
          'in use',
          'stale entries',
          'missing entries',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Does compaction of a private node need a notice for each page that moved?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Without NP_OPS_COMPACTION the node is not even scanned, as on a kernel.',
      holds: (results) => results.column('table', 'scanned').join(' ') === 'no yes yes yes yes',
    },
    {
      text: 'With both callbacks the table is right; with any one missing it is not.',
      holds: (results) =>
        results.figure('pages_moved') > 0 &&
        results.figure('wrong_entries.both') === 0 &&
        ['neither', 'free_folio', 'folio_migrate'].every(
          (name) => results.figure(`wrong_entries.${name}`) > 0,
        ),
    },
  ],
});
