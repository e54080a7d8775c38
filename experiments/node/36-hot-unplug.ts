/**
 * Row 36: what must be true for a private node's memory to be unplugged? With and without the
 * opt-in to migration, with a pinned page, without room in DRAM, and while pages are on their way
 * into the node.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { N_MEMORY_PRIVATE, type Task } from '@mm-lab/mm-core';
import { NP_OPS_LONGTERM_PIN, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import {
  agreesWithKernel,
  fillNode,
  outcome,
  type PrivateLab,
  placeOn,
  privateLab,
  residency,
  writer,
} from './kit.ts';

const DRAM = 0;
const PRIVATE = 1;
const PAGES = 64;

interface Case {
  readonly name: string;
  readonly flags: number | null;
  readonly pages: number;
  /** What else is so before the memory is to go. */
  readonly before?: (lab: PrivateLab, task: Task) => number;
  /** A kernel's end: `gone`, or `stuck` (it tries until it is killed). */
  readonly kernel: 'gone' | 'stuck' | '–';
}

const CASES: readonly Case[] = [
  { name: 'empty, no ops', flags: null, pages: 0, kernel: 'gone' },
  { name: 'pages, no ops', flags: null, pages: PAGES, kernel: 'stuck' },
  { name: 'pages, MIGRATION', flags: NP_OPS_MIGRATION, pages: PAGES, kernel: 'gone' },
  {
    name: 'one page pinned there',
    flags: NP_OPS_MIGRATION | NP_OPS_LONGTERM_PIN,
    pages: PAGES,
    before: (_, task) => task.pinLongterm(0),
    kernel: '–',
  },
  {
    name: 'pages, MIGRATION, DRAM full',
    flags: NP_OPS_MIGRATION,
    pages: PAGES,
    before: ({ machine }) => fillNode(machine, DRAM),
    kernel: '–',
  },
];

function unplug({ name, flags, pages, before, kernel }: Case): readonly (string | number)[] {
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: PRIVATE, pages: 512, online: false, movable: true },
    ],
    services: [{ nid: PRIVATE, flags }],
  });
  const { machine, hotplug, privateNodes } = lab;
  const task = writer(machine, 'resident', Math.max(1, pages));
  if (pages > 0) placeOn(lab, task, pages, PRIVATE);
  before?.(lab, task);
  const rc = hotplug.offline_and_remove_private_memory(PRIVATE);
  const stay = residency(machine, task, pages).get(PRIVATE) ?? 0;
  const online = machine.nodes.hasState(PRIVATE, N_MEMORY_PRIVATE);
  machine.verify();
  const model = online ? 'stuck' : 'gone';
  const refs = privateNodes.refsOf(PRIVATE);
  return [name, outcome(rc), stay, refs < 0 ? 'no' : 'yes', lab.warned(), model, kernel];
}

/** References to the np while `migrate_to` runs, and once the memory is gone. */
function inFlight(): readonly [during: number, after: number] {
  let during = 0;
  const lab: PrivateLab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: PRIVATE, pages: 512, online: false },
    ],
    services: [
      {
        nid: PRIVATE,
        flags: NP_OPS_MIGRATION,
        ops: {
          migrate_to: (list, nid, mode, reason) => {
            during = lab.privateNodes.refsOf(PRIVATE);
            return lab.moving.migrate_to?.(list, nid, mode, reason) ?? 0;
          },
        },
      },
    ],
  });
  const task = writer(lab.machine, 'mover', PAGES);
  task.movePages([...Array(PAGES).keys()], PRIVATE);
  lab.hotplug.offline_and_remove_private_memory(PRIVATE);
  return [during, lab.privateNodes.refsOf(PRIVATE)];
}

function probe(): Figures {
  const rows = CASES.map(unplug);
  const [during, after] = inFlight();
  return {
    values: {
      'refs.during_migrate_to': during,
      'refs.after_unplug': after,
      pages_left_behind: rows.reduce((sum, row) => sum + Number(row[2]), 0),
    },
    tables: [
      {
        name: 'unplug',
        title: 'offline_and_remove_private_memory of a node',
        columns: ['node', 'result', 'pages left', 'registered', 'warnings', 'model', 'kernel'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'When can the memory of a private node be unplugged?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'It ends as on a kernel with the series: without MIGRATION resident pages are stuck.',
      holds: (results) => agreesWithKernel(results, 'unplug'),
    },
    {
      text: 'What is stuck stays registered, and what is gone is registered no more.',
      holds: (results) => {
        const registered = results.column('unplug', 'registered');
        const ends = results.column('unplug', 'model');
        return ends.every((end, at) => (end === 'stuck') === (registered[at] === 'yes'));
      },
    },
    {
      text: 'A pin and a full DRAM hold the memory as a missing flag does.',
      holds: (results) => {
        const names = results.column('unplug', 'node').map(String);
        const ends = results.column('unplug', 'model');
        return names.every((name, at) => !/pinned|full/.test(name) || ends[at] === 'stuck');
      },
    },
    {
      text: 'While migrate_to runs there is one more reference, and none once the memory is gone.',
      holds: (results) =>
        results.figure('refs.during_migrate_to') === 2 && results.figure('refs.after_unplug') < 0,
    },
  ],
});
