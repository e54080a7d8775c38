/**
 * Row 7: the nid of a request is only a preference, so how does a driver get "only my private
 * node"? The author answered with a table of who may land where; this fills a machine by each of
 * its rows.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { __GFP_THISNODE, GFP_HIGHUSER_MOVABLE, type Machine } from '@mm-lab/mm-core';
import { __GFP_PRIVATE, GFP_PRIVATE } from '@mm-lab/node-private';
import { agreesWithKernel, privateLab } from './kit.ts';

/** A and B are ordinary, C and D private; every request prefers C. */
const [A, B, C, D] = [0, 1, 2, 3];
const NAMES = ['A', 'B', 'C', 'D'];
const PAGES = 512;

interface Row {
  readonly gfp: string;
  readonly flags: number;
  readonly nodemask: readonly number[] | null;
  /** What the author's table allows. */
  readonly allowed: readonly number[];
  /** Where a kernel with the series took them from: private and ordinary nodes. */
  readonly kernel: string;
}

const ROWS: readonly Row[] = [
  {
    gfp: '__GFP_PRIVATE',
    flags: __GFP_PRIVATE,
    nodemask: null,
    allowed: [C, A, B],
    kernel: 'C, ordinary',
  },
  { gfp: '__GFP_PRIVATE', flags: __GFP_PRIVATE, nodemask: [C, D], allowed: [C], kernel: 'C' },
  { gfp: 'GFP_PRIVATE', flags: GFP_PRIVATE, nodemask: null, allowed: [C], kernel: 'C' },
  { gfp: 'neither', flags: 0, nodemask: null, allowed: [A, B], kernel: 'ordinary' },
  { gfp: '__GFP_THISNODE', flags: __GFP_THISNODE, nodemask: null, allowed: [], kernel: 'none' },
];

/** Takes pages until the request fails; how many came from each node. */
function landing(machine: Machine, { flags, nodemask }: Row): readonly number[] {
  const perNode = NAMES.map(() => 0);
  const request = {
    gfp: GFP_HIGHUSER_MOVABLE | flags,
    order: 0,
    nid: C,
    nodemask: nodemask === null ? null : new Set(nodemask),
  };
  for (;;) {
    const pfn = machine.zoneAlloc.alloc(request);
    if (pfn < 0) return perNode;
    perNode[machine.nodes.nidOf(pfn)]! += 1;
  }
}

/** In the words of the kernel's record, whose machine has one ordinary node. */
function kindsOf(perNode: readonly number[]): string {
  const used = NAMES.filter((_, nid) => (perNode[nid] ?? 0) > 0);
  const isOrdinary = (name: string): boolean => name === 'A' || name === 'B';
  const kinds = used.filter((name) => !isOrdinary(name));
  if (used.some(isOrdinary)) kinds.push('ordinary');
  return kinds.join(', ') || 'none';
}

function probe(): Figures {
  let outside = 0;
  let missing = 0;
  const rows = ROWS.map((row) => {
    const { machine } = privateLab({
      nodes: [
        { id: A, pages: PAGES, cpus: 1 },
        { id: B, pages: PAGES },
        { id: C, pages: PAGES, online: false },
        { id: D, pages: PAGES, online: false },
      ],
      services: [C, D].map((nid) => ({ nid, flags: null })),
      distances: [
        [10, 20, 25, 30],
        [20, 10, 30, 25],
        [25, 30, 10, 20],
        [30, 25, 20, 10],
      ],
    });
    const perNode = landing(machine, row);
    outside += perNode.reduce((sum, n, nid) => sum + (row.allowed.includes(nid) ? 0 : n), 0);
    missing += row.allowed.filter((nid) => perNode[nid] === 0).length;
    const mask = row.nodemask?.map((nid) => NAMES[nid]).join('') ?? 'any';
    const allowed = row.allowed.map((nid) => NAMES[nid]).join(' ') || 'none';
    return [row.gfp, mask, ...perNode, allowed, kindsOf(perNode), row.kernel];
  });
  return {
    values: { pages_outside_the_table: outside, allowed_nodes_unused: missing },
    tables: [
      {
        name: 'landing',
        title: `Pages taken from each node until the request fails, ${PAGES} pages a node`,
        columns: ['gfp', 'nodemask', 'A', 'B', 'C', 'D', 'author’s table', 'model', 'kernel'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'How does a request get pages of its own private node and of no other?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'No request lands outside the author’s table, and none misses a node of it.',
      holds: (results) =>
        results.figure('pages_outside_the_table') === 0 &&
        results.figure('allowed_nodes_unused') === 0,
    },
    {
      text: 'A kernel with the series takes them from the same nodes.',
      holds: (results) => agreesWithKernel(results, 'landing'),
    },
    {
      text: 'One request never gets pages of both private nodes, not even by a mask of both.',
      holds: (results) =>
        results.column('landing', 'D').every((pages) => pages === 0) &&
        Number(results.column('landing', 'C')[1]) > 0,
    },
  ],
});
