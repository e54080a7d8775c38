/**
 * Row 32: where demotion falls back. Two private targets and an ordinary slow node below them:
 * what the nearest cannot take goes on, so younger pages may end up lower than older ones. (P14
 * says that it avoids that, and that the logic should be redone.)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { ENOSPC } from '@mm-lab/mm-core';
import { NP_OPS_DEMOTION, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { makeGroup, nodeOf, type PrivateLab, privateLab } from '../node/kit.ts';

const [DRAM, NEAR, FAR, SLOW] = [0, 1, 2, 3];
const PAGES = 600;
const FLAGS = NP_OPS_MIGRATION | NP_OPS_DEMOTION;

interface Case {
  readonly name: string;
  readonly nearPages: number;
  readonly farPages: number;
  /** The nearest one refuses what comes, or says that it takes nothing at all. */
  readonly near?: 'refuses' | 'blocked';
  /** What a recorded kernel did with the pages, in a word. */
  readonly kernel: 'all in the nearest' | 'overflow goes on' | 'the next one' | 'nothing' | '–';
}

const CASES: readonly Case[] = [
  { name: 'room for all', nearPages: 1024, farPages: 1024, kernel: 'all in the nearest' },
  { name: 'the nearest is small', nearPages: 256, farPages: 1024, kernel: '–' },
  { name: 'both are small', nearPages: 256, farPages: 256, kernel: 'overflow goes on' },
  {
    name: 'the nearest refuses',
    nearPages: 1024,
    farPages: 1024,
    near: 'refuses',
    kernel: 'the next one',
  },
  {
    name: 'the nearest is blocked',
    nearPages: 1024,
    farPages: 1024,
    near: 'blocked',
    kernel: 'nothing',
  },
];

function labOf({ nearPages, farPages, near }: Case): PrivateLab {
  const refuses = near === 'refuses' ? { migrate_to: () => -ENOSPC } : {};
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: 2048, cpus: 1 },
      { id: NEAR, pages: nearPages, online: false, lineNs: 250 },
      { id: FAR, pages: farPages, online: false, lineNs: 400 },
      { id: SLOW, pages: 2048, lineNs: 800 },
    ],
    distances: [
      [10, 20, 30, 40],
      [20, 10, 30, 40],
      [30, 30, 10, 40],
      [40, 40, 40, 10],
    ],
    services: [
      { nid: NEAR, flags: FLAGS, ops: refuses },
      { nid: FAR, flags: FLAGS },
    ],
    sysctl: { demotion_enabled: true },
  });
  if (near === 'blocked') {
    const owner = lab.privateNodes.ownerOfNode(NEAR);
    if (owner !== null) owner.migrationBlocked = true;
  }
  return lab;
}

/** Pages by age; reclaim for their group demotes the oldest first. */
function fallBack(chosen: Case): readonly (string | number)[] {
  const lab = labOf(chosen);
  const { machine } = lab;
  const group = makeGroup(machine, 'cold');
  const task = machine.createTask('cold');
  group.attach(task);
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  group.write('memory.reclaim', `${4 * PAGES}K`);
  machine.spend();
  machine.verify();
  const nodes = Array.from({ length: PAGES }, (_, vpn) => nodeOf(machine, task, vpn));
  const on = (nid: number): number => nodes.filter((each) => each === nid).length;
  // Page numbers are ages: a smaller one is older. Nodes are numbered from fast to slow.
  const inverted = nodes.filter((nid, vpn) =>
    nodes.some((other, older) => older < vpn && other >= NEAR && other < nid),
  ).length;
  const { name, kernel } = chosen;
  return [name, on(DRAM), on(NEAR), on(FAR), on(SLOW), inverted, wordOf(on), kernel];
}

function wordOf(on: (nid: number) => number): string {
  if (on(DRAM) === PAGES) return 'nothing';
  if (on(NEAR) === PAGES) return 'all in the nearest';
  return on(NEAR) === 0 && on(DRAM) < PAGES ? 'the next one' : 'overflow goes on';
}

function probe(): Figures {
  const rows = CASES.map(fallBack);
  const inverted = (row: number): number => Number(rows[row]?.[5]);
  return {
    values: {
      'room.inverted': inverted(0),
      'small.inverted': inverted(1),
      'both_small.inverted': inverted(2),
      'refuses.inverted': inverted(3),
      'blocked.demoted': PAGES - Number(rows[4]?.[1]),
    },
    tables: [
      {
        name: 'fallback',
        title: `${PAGES} pages are demoted, the oldest first`,
        chart: {
          kind: 'bars',
          x: ['case'],
          y: ['DRAM', 'near', 'far', 'slow', 'inverted'],
          title: 'pages',
        },
        columns: ['case', 'DRAM', 'near', 'far', 'slow', 'inverted', 'model', 'kernel'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Where demotion falls back, do younger pages end up lower than older ones?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With room in the nearest target nothing is inverted.',
      holds: (results) => results.figure('room.inverted') === 0,
    },
    {
      text: 'Where the nearest is full, all that goes on is younger than what stands above it.',
      holds: (results) =>
        results.figure('small.inverted') > PAGES / 2 - 100 &&
        results.figure('both_small.inverted') >= results.figure('small.inverted'),
    },
    {
      text: 'A nearest target that refuses inverts nothing: the next one takes all.',
      holds: (results) => results.figure('refuses.inverted') === 0,
    },
    {
      text: 'One that is blocked stops all demotion, to the targets below it too.',
      holds: (results) => results.figure('blocked.demoted') === 0,
    },
    {
      text: 'The kernel that was asked did the same with each.',
      holds: (results) => {
        const kernel = results.column('fallback', 'kernel');
        const model = results.column('fallback', 'model');
        return kernel.every((word, at) => word === '–' || word === model[at]);
      },
    },
  ],
});
