import { expect, test } from 'vitest';
import { WMARK_LOW, type Zone } from '../../src/index.js';
import { calculateMinFreeKbytes } from '../../src/mem/watermarks.js';
import { machineOf } from '../machine-of.js';

const GIB = 2 ** 18;

function marks(zone: Zone | undefined): readonly number[] {
  return zone?.watermark ?? [];
}

test('min_free_kbytes is the root of 16 times the memory in kB, between 128 and 262144', () => {
  expect([1, 1024, GIB, 16 * GIB, 16384 * GIB].map(calculateMinFreeKbytes)).toMatchInlineSnapshot(`
    [
      128,
      256,
      4096,
      16384,
      262144,
    ]
  `);
});

test('the marks of 1 GiB: min is the share, the step the larger of a quarter and 0.1 %', () => {
  const machine = machineOf({ nodes: [{ id: 0, pages: GIB, cpus: 1 }] });
  expect(marks(machine.nodes.zones[0])).toEqual([1024, 1286, 1548, 1810]);
});

test('a larger min_free_kbytes wins, a smaller one does not', () => {
  const nodes = [{ id: 0, pages: GIB, cpus: 1 }];
  const large = machineOf({ nodes, sysctl: { min_free_kbytes: 16384 } });
  const small = machineOf({ nodes, sysctl: { min_free_kbytes: 64 } });
  expect([marks(large.nodes.zones[0]), marks(small.nodes.zones[0])]).toEqual([
    [4096, 5120, 6144, 7168],
    [1024, 1286, 1548, 1810],
  ]);
});

test('watermark_scale_factor widens the steps', () => {
  const nodes = [{ id: 0, pages: GIB, cpus: 1 }];
  const machine = machineOf({ nodes, sysctl: { watermark_scale_factor: 100 } });
  expect(marks(machine.nodes.zones[0])).toEqual([1024, 3645, 6266, 8887]);
});

test('two nodes share the minimum by size', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 3 * GIB, cpus: 1 },
      { id: 1, pages: GIB },
    ],
  });
  expect(machine.nodes.zones.map((zone) => zone.watermark[0])).toEqual([1536, 512]);
});

test('ZONE_MOVABLE keeps 32 to 128 pages as its minimum, and its share still sets the step', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: GIB, cpus: 1 },
      { id: 1, pages: GIB, movable: true },
      { id: 2, pages: 2048, movable: true },
    ],
  });
  expect(machine.nodes.zones.map(marks)).toEqual([
    [1024, 1286, 1548, 1810],
    [128, 390, 652, 914],
    [32, 34, 36, 38],
  ]);
});

test('a boost is added to every mark and goes when the marks are recomputed', () => {
  const machine = machineOf();
  const zone = machine.nodes.zones[0]!;
  const low = zone.wmark(WMARK_LOW);
  zone.watermarkBoost = 500;
  const boosted = zone.wmark(WMARK_LOW);
  machine.hotplug.rebuild();
  expect([boosted - low, zone.watermarkBoost]).toEqual([500, 0]);
});

test('a mark is passed when more than it stays, without what the order cannot use', () => {
  const zone = machineOf().nodes.zones[0]!;
  zone.freePages = 100;
  const passes = [
    zone.watermarkOk(0, 99, 2),
    zone.watermarkOk(0, 100, 2),
    zone.watermarkOk(3, 92, 2),
    zone.watermarkOk(3, 93, 2),
  ];
  expect(passes).toEqual([true, false, true, false]);
});
