/**
 * Not a row: each option that mends a defect of RFC v4 told both ways, with what it costs, and what
 * all of them cost a program that has nothing to do with the node.
 */
import type { CramMends } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import type { Machine } from '@mm-lab/mm-core';
import { type Mends, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { makeGroup } from './kit.ts';
import { scene } from './mend-scene.ts';
import { STORIES } from './mend-stories.ts';

type Options = Mends & CramMends;

interface Cost {
  readonly us: number;
  readonly asked: number;
  readonly moved: number;
}

function costOf(machine: Machine): Cost {
  return {
    us: Math.round(machine.clock.now / 1000),
    asked: machine.sites.report().reduce((sum, { asked }) => sum + asked, 0),
    moved: machine.vmstat().pgmigrate_success,
  };
}

/** Writes, forks, reclaims, goes through a cpuset and back: nothing of it is about the node. */
function innocent(mends: Options): Cost {
  const { machine } = scene(mends, NP_OPS_MIGRATION);
  const group = makeGroup(machine, 'g');
  const task = machine.createTask('task');
  group.attach(task);
  task.mmap(0, 512);
  for (let vpn = 0; vpn < 512; vpn++) task.write(vpn);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  for (let vpn = 0; vpn < 128; vpn++) child.write(vpn);
  group.write('memory.reclaim', '256K');
  group.write('cpuset.mems', '0');
  for (let vpn = 0; vpn < 512; vpn++) task.read(vpn);
  child.exit();
  machine.spend();
  machine.verify();
  return costOf(machine);
}

function isStory(name: string): name is keyof typeof STORIES {
  return name in STORIES;
}

function probe(): Figures {
  const names = Object.keys(STORIES).filter(isStory);
  const values: Record<string, number> = {};
  const rows = names.map((name) => {
    const { what, tell } = STORIES[name];
    const [posted, mended] = [tell({}), tell({ [name]: 'mended' })];
    for (const { machine } of [posted, mended]) machine.verify();
    const costs = [costOf(posted.machine), costOf(mended.machine)] as const;
    values[`${name}.posted`] = posted.figure;
    values[`${name}.mended`] = mended.figure;
    values[`${name}.us_more`] = costs[1].us - costs[0].us;
    values[`${name}.asked_more`] = costs[1].asked - costs[0].asked;
    return [
      name,
      what,
      posted.figure,
      mended.figure,
      costs[0].us,
      costs[1].us,
      costs[0].asked,
      costs[1].asked,
      costs[0].moved,
      costs[1].moved,
    ];
  });
  const all: Options = Object.fromEntries(names.map((name) => [name, 'mended'] as const));
  const [without, withAll] = [innocent({}), innocent(all)];
  values['innocent.asked_more'] = withAll.asked - without.asked;
  values['innocent.us_more'] = withAll.us - without.us;
  const beside = names.map((name) => [name, innocent({ [name]: 'mended' })] as const);
  const felt = beside.filter(([, { us, asked }]) => us !== without.us || asked !== without.asked);
  return {
    values,
    tables: [
      {
        name: 'mends',
        title: 'Each mend by itself: its figure, and what the whole story took',
        columns: [
          'option',
          'figure',
          'posted',
          'mended',
          'µs posted',
          'µs mended',
          'asked posted',
          'asked mended',
          'moved posted',
          'moved mended',
        ],
        rows,
      },
      {
        name: 'innocent',
        title:
          'A program that has nothing to do with the node; mends that are not named change nothing',
        columns: ['mends', 'µs', 'asked', 'moved'],
        rows: [
          ['none', without.us, without.asked, without.moved],
          ...felt.map(([name, { us, asked, moved }]) => [name, us, asked, moved]),
          ['all', withAll.us, withAll.asked, withAll.moved],
        ],
      },
    ],
  };
}

export default defineProbe({
  question: 'What does each mend of RFC v4 change, and what does it cost?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Each mend changes the figure of its defect.',
      holds: (results) => {
        const mended = results.column('mends', 'mended');
        return results.column('mends', 'posted').every((value, at) => value !== mended[at]);
      },
    },
    {
      text: 'All mends together cost a program beside the node no time.',
      holds: (results) => results.figure('innocent.us_more') === 0,
    },
    {
      text: 'They ask a few questions more, fewer than one in ten.',
      holds: (results) => {
        const asked = Number(results.column('innocent', 'asked')[0]);
        const more = results.figure('innocent.asked_more');
        return more > 0 && more < asked / 10;
      },
    },
  ],
});
