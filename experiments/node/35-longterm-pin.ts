/**
 * Row 35: what does a long-term pin of a page on a private node do when its driver did not opt in?
 * The patch's text says -ENOMEM. That depends on another flag.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { NP_OPS_LONGTERM_PIN, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { agreesWithKernel, fillNode, nodeOf, outcome, placeOn, privateLab, writer } from './kit.ts';

const DRAM = 0;
const PRIVATE = 1;
const PAGES = 8;

interface Case {
  readonly flags: string;
  readonly bits: number | null;
  /** Is the node's memory ZONE_MOVABLE? */
  readonly movable?: boolean;
  /** Is DRAM full, so that nothing can leave? */
  readonly dramFull?: boolean;
  readonly kernel: string;
}

const CASES: readonly Case[] = [
  { flags: 'no ops', bits: null, kernel: 'ENOMEM, private' },
  { flags: 'MIGRATION', bits: NP_OPS_MIGRATION, kernel: 'pinned, DRAM' },
  { flags: 'MIGRATION', bits: NP_OPS_MIGRATION, dramFull: true, kernel: '–' },
  { flags: 'LONGTERM_PIN', bits: NP_OPS_LONGTERM_PIN, kernel: '–' },
  {
    flags: 'MIGRATION|LONGTERM_PIN',
    bits: NP_OPS_MIGRATION | NP_OPS_LONGTERM_PIN,
    kernel: 'pinned, private',
  },
  {
    flags: 'MIGRATION|LONGTERM_PIN',
    bits: NP_OPS_MIGRATION | NP_OPS_LONGTERM_PIN,
    movable: true,
    kernel: 'pinned, private',
  },
];

function pin({ bits, movable = false, dramFull = false }: Case): string {
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: PRIVATE, pages: 512, online: false, movable },
    ],
    services: [{ nid: PRIVATE, flags: bits }],
  });
  const { machine } = lab;
  const task = writer(machine, 'pinner', PAGES);
  placeOn(lab, task, PAGES, PRIVATE);
  if (dramFull) fillNode(machine, DRAM);
  const pfn = task.pinLongterm(0);
  const where = nodeOf(machine, task, 0) === PRIVATE ? 'private' : 'DRAM';
  machine.verify();
  return `${pfn < 0 ? outcome(pfn) : 'pinned'}, ${where}`;
}

function probe(): Figures {
  const rows = CASES.map((one) => [
    one.flags,
    one.movable === true ? 'Movable' : 'Normal',
    one.dramFull === true ? 'full' : 'free',
    pin(one),
    one.kernel,
  ]);
  const model = rows.map((row) => String(row[3]));
  return {
    values: {
      pinned_in_place: model.filter((end) => end === 'pinned, private').length,
      moved_and_pinned: model.filter((end) => end === 'pinned, DRAM').length,
      refused: model.filter((end) => !end.startsWith('pinned')).length,
    },
    tables: [
      {
        name: 'pins',
        title: 'FOLL_LONGTERM pin of one page on a private node, and where the page is afterwards',
        columns: ['flags', 'zone', 'DRAM', 'model', 'kernel'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does a long-term pin do on a node that did not opt in?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A kernel with the series ends the same way in every case that it was asked.',
      holds: (results) => agreesWithKernel(results, 'pins'),
    },
    {
      text: 'Without the flag nothing is ever pinned on the node.',
      holds: (results) => {
        const flags = results.column('pins', 'flags').map(String);
        const ends = results.column('pins', 'model');
        return flags.every((name, at) => name.includes('PIN') || ends[at] !== 'pinned, private');
      },
    },
    {
      text: 'With the flag even a page of ZONE_MOVABLE is pinned where it is.',
      holds: (results) => {
        const at = results.column('pins', 'zone').indexOf('Movable');
        return results.column('pins', 'model')[at] === 'pinned, private';
      },
    },
  ],
});
