import { expect, test } from 'vitest';
import { __GFP_RECLAIMABLE, GFP_KERNEL } from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const nodes = [
  { id: 0, pages: 4096, cpus: 2 },
  { id: 1, pages: 2048 },
];

test('pagetypeinfo shows free blocks and page blocks by type', () => {
  const machine = machineOf({ nodes });
  const gfp = GFP_KERNEL | __GFP_RECLAIMABLE;
  machine.pageAlloc.alloc({ gfp, order: 0, nid: 1, nodemask: null });
  expect(String(machine.pseudoFiles.read('/proc/pagetypeinfo'))).toMatchInlineSnapshot(`
    "Page block order: 9
    Pages per block:  512

    Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8      9     10
    Node    0, zone   Normal, type    Unmovable      0      0      0      0      0      0      0      0      0      0      0
    Node    0, zone   Normal, type      Movable      0      0      0      0      0      0      0      0      0      0      4
    Node    0, zone   Normal, type  Reclaimable      0      0      0      0      0      0      0      0      0      0      0
    Node    0, zone   Normal, type   HighAtomic      0      0      0      0      0      0      0      0      0      0      0
    Node    0, zone   Normal, type      Isolate      0      0      0      0      0      0      0      0      0      0      0
    Node    1, zone   Normal, type    Unmovable      0      0      0      0      0      0      0      0      0      0      0
    Node    1, zone   Normal, type      Movable      0      0      0      0      0      0      0      0      0      0      1
    Node    1, zone   Normal, type  Reclaimable      1      1      1      1      1      1      1      1      1      1      0
    Node    1, zone   Normal, type   HighAtomic      0      0      0      0      0      0      0      0      0      0      0
    Node    1, zone   Normal, type      Isolate      0      0      0      0      0      0      0      0      0      0      0

    Number of blocks type      Unmovable      Movable  Reclaimable   HighAtomic      Isolate
    Node 0, zone   Normal            0            8            0            0            0
    Node 1, zone   Normal            0            2            2            0            0"
  `);
  expect(String(machine.pseudoFiles.read('/proc/buddyinfo'))).toMatchInlineSnapshot(`
    "Node 0, zone   Normal      0      0      0      0      0      0      0      0      0      0      4
    Node 1, zone   Normal      1      1      1      1      1      1      1      1      1      1      1"
  `);
});

test('a node says which CPUs are near, and how wide its counts are printed', () => {
  const machine = machineOf({ nodes });
  const read = (name: string): string | number =>
    machine.pseudoFiles.read(`/sys/devices/system/node/node${name}`);
  const [first] = String(read('1/meminfo')).split('\n');
  expect([read('0/cpulist'), read('0/cpumap'), read('1/cpulist'), read('1/cpumap')]).toEqual([
    '0-1',
    '3',
    '',
    '0',
  ]);
  expect(first).toBe('Node 1 MemTotal:           8192 kB');
});

test('settings of the allocator refuse what the kernel refuses', () => {
  const { pseudoFiles } = machineOf({ nodes });
  const write = (name: string, text: string): number =>
    pseudoFiles.write(`/proc/sys/vm/${name}`, text);
  expect([
    write('percpu_pagelist_high_fraction', '7'),
    write('percpu_pagelist_high_fraction', '8'),
    write('defrag_mode', '2'),
    write('compaction_proactiveness', '101'),
    write('numa_zonelist_order', 'zone'),
    write('numa_zonelist_order', 'node'),
    pseudoFiles.write('/sys/devices/system/memory/auto_online_blocks', 'nonsense'),
  ]).toEqual([-22, 0, -22, -22, -22, 0, -22]);
});
