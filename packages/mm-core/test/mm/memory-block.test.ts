import { expect, test } from 'vitest';
import {
  createMachine,
  errnoName,
  type Machine,
  type MachineConfig,
  MEMORY_BLOCK_PAGES,
  N_MEMORY,
  N_ONLINE,
  ZONE_DMA32,
  ZONE_MOVABLE,
  ZONE_NORMAL,
} from '../../src/index.js';
import { pfnOf } from '../machine-of.js';

const BLOCK = MEMORY_BLOCK_PAGES;

/** Node 0 with three blocks; node 1 with two, its last block short, and two plugged ones. */
const chain: MachineConfig = {
  seed: 1,
  bootMinFreeKbytes: 30000,
  nodes: [
    {
      id: 0,
      pages: 0,
      cpus: 1,
      zones: [{ type: ZONE_DMA32, startPfn: 0, spanned: 3 * BLOCK, free: 90000 }],
    },
    {
      id: 1,
      pages: 0,
      zones: [
        { type: ZONE_DMA32, startPfn: 3 * BLOCK, spanned: 2 * BLOCK - 32, free: 50000 },
        { type: ZONE_NORMAL, startPfn: 32 * BLOCK, spanned: 2 * BLOCK, hotplugged: true },
      ],
    },
  ],
};

/** Node 0 with the CPU, node 1 plugged as movable memory of two blocks. */
const hot: MachineConfig = {
  seed: 1,
  nodes: [
    { id: 0, pages: 4 * BLOCK, cpus: 1 },
    {
      id: 1,
      pages: 0,
      zones: [{ type: ZONE_MOVABLE, startPfn: 32 * BLOCK, spanned: 2 * BLOCK, hotplugged: true }],
    },
  ],
};

function set(machine: Machine, nid: number, at: number, state: string): string {
  const block = machine.blocks.of(nid)[at];
  const rc = block === undefined ? 0 : machine.blocks.setState(block, state);
  machine.verify();
  return rc === 0 ? 'ok' : errnoName(rc);
}

test('a block goes if it is whole and holds nothing of the kernel', () => {
  const machine = createMachine(chain, []);
  const all = [0, 1].map((nid) =>
    machine.blocks.of(nid).map((_, at) => set(machine, nid, at, 'offline')),
  );
  expect({ all, twice: set(machine, 1, 3, 'offline') }).toEqual({
    all: [
      ['EBUSY', 'ok', 'EBUSY'],
      ['EBUSY', 'EINVAL', 'EBUSY', 'ok'],
    ],
    twice: 'EINVAL',
  });
});

test('a block comes back to the zone that the word or its neighbours say', () => {
  const machine = createMachine(chain, []);
  const said = ['nonsense', 'online'].map((word) => set(machine, 1, 3, word));
  set(machine, 1, 3, 'offline');
  const zones = ['online_movable', 'online', 'online_kernel'].map((word) => {
    const rc = set(machine, 1, 3, word);
    const name = machine.blocks.of(1)[3]?.zone?.name;
    const marks = machine.nodes
      .pgdat(1)
      .zones.map((zone) => `${zone.name} ${zone.managedPages}: ${zone.watermark.join(' ')}`);
    set(machine, 1, 3, 'offline');
    return [rc, name, ...marks];
  });
  expect({ said, zones }).toMatchInlineSnapshot(`
    {
      "said": [
        "EINVAL",
        "EINVAL",
      ],
      "zones": [
        [
          "ok",
          "Movable",
          "DMA32 65504: 3253 4066 4879 5692",
          "Normal 32768: 1627 2033 2439 2845",
          "Movable 32768: 32 438 844 1250",
        ],
        [
          "ok",
          "Normal",
          "DMA32 65504: 3255 4068 4881 5694",
          "Normal 65536: 3256 4070 4884 5698",
          "Movable 0: 32 32 32 32",
        ],
        [
          "ok",
          "Normal",
          "DMA32 65504: 3255 4068 4881 5694",
          "Normal 65536: 3256 4070 4884 5698",
          "Movable 0: 32 32 32 32",
        ],
      ],
    }
  `);
});

test('offlining moves pages to other nodes, and a node without memory leaves all lists', () => {
  const machine = createMachine(hot, []);
  const heard: string[] = [];
  machine.hotplug.subscribe((nid, present) => heard.push(`${nid} ${present}`));
  const task = machine.createTask('t');
  const pages = Array.from({ length: 2000 }, (_, at) => at);
  task.mmap(0, 2000);
  for (const vpn of pages) task.write(vpn);
  task.movePages(pages, 1);
  const at = (): string => [...new Set(task.where(pages))].join();
  const states = (): string =>
    [N_MEMORY, N_ONLINE].map((state) => machine.nodes.inState(state).join()).join(' of ');
  const steps = ['offline', 'offline', 'online_movable'].map((word, step) => {
    const rc = set(machine, 1, step % 2, word);
    return [
      rc,
      at(),
      states(),
      machine.nodes
        .pgdat(0)
        .fallback.map(({ nid }) => nid)
        .join(),
    ];
  });
  for (const vpn of pages) task.read(vpn);
  machine.verify();
  expect({ heard, steps }).toMatchInlineSnapshot(`
    {
      "heard": [
        "1 false",
        "1 true",
      ],
      "steps": [
        [
          "ok",
          "0",
          "0,1 of 0,1",
          "0,1",
        ],
        [
          "ok",
          "0",
          "0 of 0,1",
          "0",
        ],
        [
          "ok",
          "0",
          "0,1 of 0,1",
          "0,1",
        ],
      ],
    }
  `);
});

test('a node that comes back as kernel memory keeps its first block', () => {
  const machine = createMachine(hot, []);
  for (const at of [0, 1]) set(machine, 1, at, 'offline');
  const back = [1, 0].map((at) => set(machine, 1, at, 'online'));
  expect([...back, set(machine, 1, 0, 'offline'), set(machine, 1, 1, 'offline')]).toEqual([
    'ok',
    'ok',
    'ok',
    'EBUSY',
  ]);
});

test('a poisoned page goes with its block, which then stays away', () => {
  const machine = createMachine(hot, []);
  const task = machine.createTask('t');
  task.mmap(0, 4);
  for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
  task.movePages([0, 1, 2, 3], 1);
  machine.memoryFailure.memoryFailure(pfnOf(machine, task, 1), 0);
  expect([set(machine, 1, 0, 'offline'), set(machine, 1, 0, 'online')]).toEqual([
    'ok',
    'EHWPOISON',
  ]);
});

test('a pinned page keeps its block until the signal, and the block is as before', () => {
  const machine = createMachine(chain, []);
  const task = machine.createTask('t', 1);
  task.mmap(0, 1);
  task.write(0);
  const free = machine.nodes.pgdat(1).unusedPages();
  const pfn = task.pinLongterm(0);
  const block = machine.blocks
    .of(1)
    .findIndex(({ base, pages }) => pfn >= base && pfn < base + pages);
  const holder = machine.blocks.of(1)[block];
  if (holder !== undefined) holder.holdsKernel = false;
  expect([set(machine, 1, block, 'offline'), machine.nodes.pgdat(1).unusedPages() - free]).toEqual([
    'EINTR',
    0,
  ]);
});
