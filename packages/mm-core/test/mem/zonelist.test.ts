import { expect, test } from 'vitest';
import { ZONE_NORMAL } from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const PAGES = 1024;

function orders(nodes: readonly { cpus?: number }[], distances: number[][]): number[][] {
  const machine = machineOf({
    nodes: nodes.map(({ cpus = 0 }, id) => ({ id, pages: PAGES, cpus })),
    distances,
  });
  return nodes.map((_, nid) => machine.nodes.pgdat(nid).fallback.map((zone) => zone.nid));
}

function even(nodes: number): number[][] {
  return Array.from({ length: nodes }, (_, from) =>
    Array.from({ length: nodes }, (_, to) => (from === to ? 10 : 20)),
  );
}

test('the local node comes first, then the nearest', () => {
  const distances = [
    [10, 30, 20],
    [30, 10, 25],
    [20, 25, 10],
  ];
  expect(orders([{ cpus: 1 }, { cpus: 1 }, { cpus: 1 }], distances)).toMatchInlineSnapshot(`
    [
      [
        0,
        2,
        1,
      ],
      [
        1,
        2,
        0,
      ],
      [
        2,
        0,
        1,
      ],
    ]
  `);
});

test('of equals a node without CPUs wins, but not in the lists of the boot', () => {
  const nodes = [
    { id: 0, pages: PAGES, cpus: 1 },
    { id: 1, pages: PAGES, cpus: 1 },
    { id: 2, pages: PAGES },
    { id: 3, pages: PAGES },
  ];
  const machine = machineOf({ nodes, distances: even(4) });
  const order = (): number[] => machine.nodes.pgdat(0).fallback.map(({ nid }) => nid);
  expect(order()).toEqual([0, 1, 2, 3]);
  expect(machine.hotplug.offlinePages(3)).toBe(0);
  expect(order()).toEqual([0, 2, 1]);
  expect(machine.hotplug.onlinePages(3, null)).toBe(0);
  expect(order()).toEqual([0, 2, 3, 1]);
});

test('a boot that memory was plugged in has lists that know of CPUs', () => {
  const zone = { type: ZONE_NORMAL, startPfn: 1 << 15, spanned: 1 << 15, hotplugged: true };
  const machine = machineOf({
    nodes: [
      { id: 0, pages: PAGES, cpus: 1 },
      { id: 1, pages: PAGES, cpus: 1 },
      { id: 2, pages: zone.spanned, zones: [zone] },
    ],
    distances: even(3),
  });
  expect(machine.nodes.pgdat(0).fallback.map(({ nid }) => nid)).toEqual([0, 2, 1]);
});

test('of equals those behind the local node come first, in turn', () => {
  const cpus = Array.from({ length: 4 }, () => ({ cpus: 1 }));
  expect(orders(cpus, even(4))).toMatchInlineSnapshot(`
    [
      [
        0,
        1,
        2,
        3,
      ],
      [
        1,
        2,
        3,
        0,
      ],
      [
        2,
        3,
        0,
        1,
      ],
      [
        3,
        0,
        1,
        2,
      ],
    ]
  `);
});

test('NOFALLBACK has the node alone, and a node without memory begins with its nearest', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: PAGES, cpus: 1 },
      { id: 1, pages: 0, cpus: 1 },
      { id: 2, pages: PAGES, cpus: 1 },
    ],
    distances: [
      [10, 20, 30],
      [20, 10, 15],
      [30, 15, 10],
    ],
  });
  expect({
    memoryless: machine.nodes.pgdat(1).fallback.map((zone) => zone.nid),
    alone: machine.nodes.pgdat(2).nofallback.map((zone) => zone.nid),
    none: machine.nodes.pgdat(1).nofallback.length,
  }).toMatchInlineSnapshot(`
    {
      "alone": [
        2,
      ],
      "memoryless": [
        2,
        0,
      ],
      "none": 0,
    }
  `);
});
