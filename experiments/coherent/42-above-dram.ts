/**
 * Row 42: a device that is faster than DRAM stands above it in the tiers. Which way do pages go,
 * and does anybody get its memory by default?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  createMachine,
  diskSwap,
  GFP_HIGHUSER_MOVABLE,
  type Machine,
  type Task,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_RECLAIM,
} from '@mm-lab/node-private';
import { bytes, makeGroup, nodeOf, placeOn, privateLab, writer } from '../node/kit.ts';
import { DEVICE, DRAM } from './kit.ts';

/** Abstract distances: DRAM has 576, smaller is faster. */
const FASTER = 300;
const SLOWER = 900;
const PAGES = 128;
const NODE_PAGES = 512;
const SYSCTL = { demotion_enabled: true };

interface Case {
  readonly name: string;
  /** NP_OPS_* of a private node; null: an ordinary one. */
  readonly flags: number | null;
  readonly adistance: number;
}

const RECLAIM = NP_OPS_MIGRATION | NP_OPS_RECLAIM;
const CASES: readonly Case[] = [
  { name: 'ordinary, above', flags: null, adistance: FASTER },
  { name: 'private, above', flags: NP_OPS_MIGRATION, adistance: FASTER },
  {
    name: 'private, above, DEMOTION',
    flags: NP_OPS_MIGRATION | NP_OPS_DEMOTION,
    adistance: FASTER,
  },
  { name: 'private, above, RECLAIM', flags: RECLAIM, adistance: FASTER },
  { name: 'private, above, both', flags: RECLAIM | NP_OPS_DEMOTION, adistance: FASTER },
  { name: 'private, below, both', flags: RECLAIM | NP_OPS_DEMOTION, adistance: SLOWER },
];

interface Built {
  readonly machine: Machine;
  readonly toNode: (task: Task) => void;
}

function build({ flags, adistance }: Case): Built {
  const nodes = [
    { id: DRAM, pages: 2048, cpus: 1 },
    { id: DEVICE, pages: NODE_PAGES, online: flags === null, movable: true, adistance },
  ];
  const plugins = [diskSwap({ pages: 4096 })];
  if (flags === null) {
    const machine = createMachine({ seed: 1, nodes, sysctl: SYSCTL }, plugins);
    const toNode = (task: Task): void => void task.movePages([...Array(PAGES).keys()], DEVICE);
    return { machine, toNode };
  }
  const services = [{ nid: DEVICE, flags }];
  const lab = privateLab({ nodes, services, sysctl: SYSCTL, plugins });
  return { machine: lab.machine, toNode: (task) => placeOn(lab, task, PAGES, DEVICE) };
}

/** Where pages of a task are, by node; -1: swapped out. */
function count(machine: Machine, task: Task, nid: number): number {
  return [...Array(PAGES).keys()].filter((vpn) => nodeOf(machine, task, vpn) === nid).length;
}

/** Pages of a group in DRAM that reclaim puts on the node. */
function cameDown(kase: Case): number {
  const { machine } = build(kase);
  const group = makeGroup(machine, 'g');
  const task = machine.createTask('task');
  group.attach(task);
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  group.write('memory.reclaim', String(bytes(PAGES / 2)));
  machine.spend();
  machine.verify();
  return count(machine, task, DEVICE);
}

/** What becomes of pages on the node when it is full and more is wanted. */
function wentOff(kase: Case): readonly [toDram: number, toSwap: number] {
  const { machine, toNode } = build(kase);
  const task = writer(machine, 'task', PAGES);
  toNode(task);
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const gfp = GFP_HIGHUSER_MOVABLE | (kase.flags === null ? 0 : GFP_PRIVATE);
  const request = { gfp, order: 0, nid: DEVICE, nodemask: new Set([DEVICE]) };
  for (let tries = 0; tries < NODE_PAGES; tries++) {
    const pfn = machine.pageAlloc.alloc(request);
    if (pfn < 0) break;
    held.push(pfn);
    machine.spend();
  }
  machine.verify();
  return [count(machine, task, DRAM), count(machine, task, -1)];
}

/** Pages of somebody who asks for nothing special, on the node. */
function byDefault(kase: Case): number {
  const { machine } = build(kase);
  const other = writer(machine, 'other', PAGES);
  const request = { gfp: GFP_HIGHUSER_MOVABLE, order: 0, nid: DEVICE, nodemask: null };
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  for (let at = 0; at < PAGES; at++) {
    const pfn = machine.zoneAlloc.alloc(request);
    if (pfn >= 0) held.push(pfn);
  }
  const got = held.filter((pfn) => machine.nodes.nidOf(pfn) === DEVICE).length;
  return got + count(machine, other, DEVICE);
}

function row(kase: Case): readonly (string | number)[] {
  const { machine } = build(kase);
  const { tiers } = machine;
  const target = (nid: number): string | number => {
    const next = tiers.nextDemotionNode(nid);
    return next < 0 ? 'none' : next;
  };
  const order = tiers.tierOf(DEVICE) < tiers.tierOf(DRAM) ? 'above' : 'below';
  const [toDram, toSwap] = wentOff(kase);
  return [
    kase.name,
    order,
    target(DRAM),
    target(DEVICE),
    byDefault(kase),
    cameDown(kase),
    toDram,
    toSwap,
  ];
}

function probe(): Figures {
  const rows = CASES.map(row);
  const values: Record<string, number> = {};
  for (const [name, , , , byDefault_, came, toDram, toSwap] of rows) {
    const key = String(name).replaceAll(/\W+/g, '_');
    values[`by_default.${key}`] = Number(byDefault_);
    values[`demoted_to_it.${key}`] = Number(came);
    values[`demoted_from_it.${key}`] = Number(toDram);
    values[`swapped_from_it.${key}`] = Number(toSwap);
  }
  return {
    values,
    tables: [
      {
        name: 'tiers',
        title: `Node 1 beside DRAM, ${PAGES} pages each way`,
        columns: [
          'node 1',
          'tier',
          'target of DRAM',
          'target of node 1',
          'got it by default',
          'demoted to it',
          'demoted to DRAM',
          'swapped out',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What becomes of a private node that is faster than DRAM?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Nobody gets private memory by default, wherever it stands in the tiers.',
      holds: (results) =>
        results
          .column('tiers', 'node 1')
          .map(String)
          .filter((name) => name.startsWith('private'))
          .every((name) => results.figure(`by_default.${name.replaceAll(/\W+/g, '_')}`) === 0),
    },
    {
      text: 'DRAM never demotes upwards: DEMOTION has no effect on a node above it.',
      holds: (results) =>
        results.figure('demoted_to_it.private_above_both') === 0 &&
        results.figure('demoted_to_it.private_below_both') > 0,
    },
    {
      text: 'An ordinary node above DRAM demotes into it; a private one never does.',
      holds: (results) =>
        results.figure('demoted_from_it.ordinary_above') > 0 &&
        CASES.filter(({ flags }) => flags !== null).every(
          ({ name }) => results.figure(`demoted_from_it.${name.replaceAll(/\W+/g, '_')}`) === 0,
        ),
    },
    {
      text: 'What RECLAIM takes off it goes to swap, past DRAM that is free.',
      holds: (results) => results.figure('swapped_from_it.private_above_RECLAIM') > 0,
    },
  ],
});
