/**
 * Row 34: DRAM is exhausted while a private node has room, or holds the pages of the largest task.
 * Whom does the OOM killer choose, how much memory does it count, and what does a kill free?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { GFP_HIGHUSER_MOVABLE, GFP_USER } from '@mm-lab/mm-core';
import { __GFP_PRIVATE, NP_OPS_OOM_ELIGIBLE } from '@mm-lab/node-private';
import { placeOn, privateLab, writer } from './kit.ts';

const DRAM = 0;
const PRIVATE = 1;
const DRAM_PAGES = 2048;
const PRIVATE_PAGES = 2048;
const RESIDENT = 1500;
const SMALL = 200;

interface Case {
  readonly flags: string;
  readonly bits: number;
  readonly request: 'ordinary' | 'asks, prefers the node';
}

const CASES: readonly Case[] = [
  { flags: 'none', bits: 0, request: 'ordinary' },
  { flags: 'RECLAIM|DEMOTION', bits: NP_OPS_OOM_ELIGIBLE, request: 'ordinary' },
  { flags: 'none', bits: 0, request: 'asks, prefers the node' },
  { flags: 'RECLAIM|DEMOTION', bits: NP_OPS_OOM_ELIGIBLE, request: 'asks, prefers the node' },
];

/**
 * `resident` has most pages, all of them on the private node; `small` has some in DRAM. Then a
 * third task takes pages until somebody is killed.
 */
function kill({ flags, bits, request }: Case): readonly (string | number)[] {
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: DRAM_PAGES, cpus: 1 },
      { id: PRIVATE, pages: PRIVATE_PAGES, online: false },
    ],
    services: [{ nid: PRIVATE, flags: bits }],
  });
  const { machine } = lab;
  const resident = writer(machine, 'resident', RESIDENT);
  placeOn(lab, resident, RESIDENT, PRIVATE);
  const small = writer(machine, 'small', SMALL);
  const kills: { readonly mm: number; readonly totalPages: number }[] = [];
  machine.tracepoints.mm_oom_kill.on((_now, mm, _rss, totalPages) =>
    kills.push({ mm, totalPages }),
  );
  const asks = request !== 'ordinary';
  const wanted = {
    gfp: asks ? GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE : GFP_USER,
    order: 0,
    nid: asks ? PRIVATE : DRAM,
    nodemask: null,
  };
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  machine.work.runAs(machine.createTask('third').struct);
  const gained = { DRAM: 0, node: 0 };
  while (kills.length < 2) {
    const pfn = machine.pageAlloc.alloc(wanted);
    if (pfn < 0) break;
    held.push(pfn);
    if (kills.length !== 1) continue;
    if (machine.nodes.nidOf(pfn) === DRAM) gained.DRAM++;
    else gained.node++;
  }
  const names = new Map([
    [resident.mm.id, 'resident'],
    [small.mm.id, 'small'],
  ]);
  const [first, second] = kills.map(({ mm }) => names.get(mm) ?? 'third');
  const counted = kills[0]?.totalPages ?? 0;
  return [flags, request, first ?? 'nobody', counted, gained.DRAM, gained.node, second ?? 'nobody'];
}

function probe(): Figures {
  const rows = CASES.map(kill);
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'ordinary.totalpages.without_flags': of(0, 3),
      'ordinary.totalpages.with_flags': of(1, 3),
      'asking.totalpages.without_flags': of(2, 3),
      'asking.totalpages.with_flags': of(3, 3),
      'ordinary.pages_gained_by_the_first_kill': Math.max(of(0, 4), of(1, 4)),
    },
    tables: [
      {
        name: 'oom',
        title: `The largest task has its ${RESIDENT} pages on the private node; DRAM runs out`,
        columns: [
          'flags',
          'request',
          'first victim',
          'totalpages',
          'gained in DRAM',
          'gained on the node',
          'next victim',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does the OOM killer count and kill when DRAM is full and a private node is not?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'For an ordinary request the flags change nothing: the node is in no list it walks.',
      holds: (results) =>
        results.figure('ordinary.totalpages.without_flags') ===
        results.figure('ordinary.totalpages.with_flags'),
    },
    {
      text: 'For a request that asks the node counts with both flags and not without.',
      holds: (results) =>
        results.figure('asking.totalpages.with_flags') >
        results.figure('asking.totalpages.without_flags'),
    },
    {
      text: 'For who needs DRAM that kill is in vain: it gains a handful of pages.',
      holds: (results) =>
        results.figure('ordinary.pages_gained_by_the_first_kill') < RESIDENT / 100,
    },
    {
      text: 'The victim is the task with the most pages, though none of them is in DRAM.',
      holds: (results) =>
        results.column('oom', 'first victim').every((name) => name === 'resident'),
    },
  ],
});
