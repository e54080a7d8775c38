import { EBUSY, EINVAL, ENODEV, type Task } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { type CramMachine, DEVICE, DRAM, machineOf } from '../support.js';

const BLOCK = 512;
const NODE = 16 * BLOCK;
const SECOND = 1e9;

/** A machine whose node of 16 page blocks holds `there` pages of one task; zratio is 3:1. */
function withPages(there: number, swapPages = 0): CramMachine & { readonly task: Task } {
  const made = machineOf({ dramPages: 8192, devicePages: NODE, swapPages, swap: 'disk' });
  expect(made.balloon.register(DEVICE, 3000, null)).toBe(0);
  const task = made.machine.createTask('t');
  task.mmap(0, there);
  for (let vpn = 0; vpn < there; vpn++) task.write(vpn);
  const vpns = Array.from({ length: there }, (_, vpn) => vpn);
  expect(task.movePages(vpns, DEVICE).rc).toBe(0);
  return { ...made, task };
}

/** Lets time pass in small steps, the machine checked after each. */
function settle({ machine }: CramMachine, ns = SECOND, steps = 20): void {
  for (let step = 0; step < steps; step++) {
    machine.clock.advance(ns / steps);
    machine.verify();
  }
}

test('errors of the calls', () => {
  const { balloon } = machineOf();
  expect({
    'zratio below 1:1': balloon.register(DEVICE, 999, null),
    'no node': balloon.register(9, 2000, null),
    first: balloon.register(DEVICE, 2000, null),
    again: balloon.register(DEVICE, 2000, null),
    'ratio below 1:1': balloon.cram_set_compression_ratio(DEVICE, 999, 'open'),
    'no balloon': balloon.cram_set_compression_ratio(DRAM, 2000, 'open'),
    'capacity of nobody': balloon.cram_set_capacity(DRAM, 10),
  }).toEqual({
    'zratio below 1:1': -EINVAL,
    'no node': -ENODEV,
    first: 0,
    again: -EBUSY,
    'ratio below 1:1': -EINVAL,
    'no balloon': -ENODEV,
    'capacity of nobody': -ENODEV,
  });
});

test('it takes perceived x (zratio - ratio) / zratio, and MemTotal shrinks with it', () => {
  const made = withPages(1000);
  const sizes = [3000, 2000, 1000, 2500, 9000].map((ratio) => {
    expect(made.balloon.cram_set_compression_ratio(DEVICE, ratio, 'open')).toBe(0);
    settle(made);
    return {
      ratio,
      target: made.balloon.targetOf(DEVICE),
      held: made.balloon.pagesOf(DEVICE),
      managed: made.machine.nodes.pgdat(DEVICE).managedPages(),
    };
  });
  expect(sizes).toMatchInlineSnapshot(`
    [
      {
        "held": 0,
        "managed": 8192,
        "ratio": 3000,
        "target": 0,
      },
      {
        "held": 2730,
        "managed": 5462,
        "ratio": 2000,
        "target": 2730,
      },
      {
        "held": 5461,
        "managed": 2731,
        "ratio": 1000,
        "target": 5461,
      },
      {
        "held": 1365,
        "managed": 6827,
        "ratio": 2500,
        "target": 1365,
      },
      {
        "held": 0,
        "managed": 8192,
        "ratio": 9000,
        "target": 0,
      },
    ]
  `);
});

test('residents move within the node, then to DRAM; their contents stay', () => {
  const made = withPages(4096);
  made.balloon.cram_set_compression_ratio(DEVICE, 1000, 'open');
  settle(made);
  expect(made.balloon.pagesOf(DEVICE)).toBe(made.balloon.targetOf(DEVICE));
  const here = made.task.where(Array.from({ length: 4096 }, (_, vpn) => vpn));
  const left = here.filter((nid) => nid === DEVICE).length;
  expect(left).toBeLessThanOrEqual(NODE - made.balloon.pagesOf(DEVICE));
  expect(left).toBeGreaterThan(2000);
  for (let vpn = 0; vpn < 4096; vpn++) made.task.read(vpn);
  expect(made.machine.engine.shadow.counts.lostPages).toBe(0);
  expect(made.machine.engine.shadow.counts.leakedPages).toBe(0);
});

test('a page block is emptied 32 pages at a time: no more are held twice', () => {
  const made = withPages(2048);
  const { table, nodes } = made.machine;
  const { base, spannedPages } = nodes.pgdat(DEVICE);
  const inUse = (): number => {
    const counts = table.refcount.subarray(base, base + spannedPages);
    return counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  };
  made.balloon.cram_set_compression_ratio(DEVICE, 2900, 'open');
  let most = 0;
  while (made.balloon.pagesOf(DEVICE) === 0) {
    made.machine.clock.advance(1000);
    most = Math.max(most, inUse());
  }
  made.machine.verify();
  expect(most).toBe(2048 + 32);
});

test('the latest target wins', () => {
  const made = withPages(2000);
  made.balloon.cram_set_compression_ratio(DEVICE, 1000, 'open');
  made.machine.clock.advance(200_000);
  made.machine.verify();
  made.balloon.cram_set_compression_ratio(DEVICE, 2700, 'open');
  settle(made);
  expect(made.balloon.pagesOf(DEVICE)).toBe(made.balloon.targetOf(DEVICE));
});

test('nothing comes in while it converges, if the driver says so', () => {
  const made = withPages(2000);
  made.task.mmap(5000, 8);
  for (let vpn = 5000; vpn < 5008; vpn++) made.task.write(vpn);
  made.balloon.cram_set_compression_ratio(DEVICE, 2000, 'closed');
  expect(made.task.movePages([5000], DEVICE).rc).toBeLessThan(0);
  settle(made);
  expect(made.task.movePages([5001], DEVICE).rc).toBe(0);
});

test('an open node is only asked politely; a withdrawn one swaps, then kills its user', () => {
  const outcome = (gate: 'open' | 'withdrawn', swapPages: number): object => {
    const made = withPages(7000, swapPages);
    const filler = made.machine.createTask('filler');
    filler.mmap(0, 8192);
    for (let vpn = 0; made.machine.usedPages(DRAM) < 7900; vpn++) filler.write(vpn);
    made.cram.cram_set_no_alloc(DEVICE, gate);
    made.balloon.cram_set_compression_ratio(DEVICE, 1000, 'open');
    settle(made);
    const reached = made.balloon.pagesOf(DEVICE) >= made.balloon.targetOf(DEVICE);
    return { reached, kills: made.balloon.counts.kills };
  };
  expect({
    'open, no swap': outcome('open', 0),
    'withdrawn, swap': outcome('withdrawn', 16_384),
    'withdrawn, no swap': outcome('withdrawn', 0),
  }).toEqual({
    'open, no swap': { reached: false, kills: 0 },
    'withdrawn, swap': { reached: true, kills: 0 },
    'withdrawn, no swap': { reached: true, kills: 1 },
  });
});

test('a page that somebody else holds keeps its page block', () => {
  const made = withPages(4096);
  const { machine, task } = made;
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  for (let vpn = 0; vpn < 4096; vpn += 256) {
    const pfn = machine.gup.getUserPage(task.mm, vpn, DRAM);
    if (typeof pfn === 'number') held.push(pfn);
  }
  made.balloon.cram_set_compression_ratio(DEVICE, 1000, 'open');
  settle(made);
  const blocks = new Set(held.map((pfn) => Math.floor(pfn / BLOCK)));
  expect({
    blocks: blocks.size,
    pages: made.balloon.pagesOf(DEVICE),
    reached: made.balloon.pagesOf(DEVICE) === made.balloon.targetOf(DEVICE),
  }).toEqual({ blocks: 8, pages: NODE - 8 * BLOCK, reached: false });
});

test('an empty balloon and an aborted attempt let the node go', () => {
  const made = withPages(3000);
  made.balloon.cram_set_compression_ratio(DEVICE, 1500, 'open');
  made.machine.clock.advance(300_000);
  made.balloon.unregister(DEVICE);
  made.machine.verify();
  expect(made.machine.nodes.pgdat(DEVICE).managedPages()).toBe(NODE);
  expect(made.hotplug.offline_and_remove_private_memory(DEVICE)).toBe(0);
  made.machine.verify();
});
