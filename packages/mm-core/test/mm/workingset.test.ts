import { describe, expect, test } from 'vitest';
import {
  diskSwap,
  MADV_PAGEOUT,
  type Machine,
  PG_active,
  PG_workingset,
  type Task,
} from '../../src/index.js';
import { packShadow, unpackShadow } from '../../src/mem/eviction-shadow.js';
import { isCheaper, TierCounts } from '../../src/mem/tier-counts.js';
import { counted, machineOf } from '../machine-of.js';

const PAGE = 4096;
const NAMES = [
  'workingset_refault_anon',
  'workingset_activate_anon',
  'workingset_restore_anon',
] as const;

function machineWith(lru: 'classic' | 'generations'): Machine {
  return machineOf({
    nodes: [{ id: 0, pages: 2048, cpus: 1 }],
    sysctl: { lru_gen: lru === 'classic' ? 0 : 7 },
    plugins: [diskSwap({ pages: 4096 })],
  });
}

/** Pages go to swap and come back beside others, of which some are active. @returns one of them */
function outAndIn(machine: Machine, active: number): number {
  const task = machine.createTask('t');
  task.mmap(0, 256);
  for (let vpn = 0; vpn < 256; vpn++) task.write(vpn);
  machine.folios.lruAddDrain();
  for (let vpn = 8; vpn < 8 + active; vpn++) machine.lru.activate(frameOf(machine, task, vpn));
  machine.sys.madvise.madvise(task.struct, 0, 8 * PAGE, MADV_PAGEOUT);
  for (let vpn = 0; vpn < 8; vpn++) task.read(vpn);
  machine.verify();
  return frameOf(machine, task, 0);
}

function frameOf(machine: Machine, task: Task, vpn: number): number {
  return machine.ptes.value[machine.ptes.find(task.mm.id, vpn)]!;
}

describe('an evicted page that comes back', () => {
  test('is active at once on the classic lists if active pages could have made room for it', () => {
    const machine = machineWith('classic');
    const folio = outAndIn(machine, 64);
    expect(machine.table.has(folio, PG_active)).toBe(true);
    expect(Object.values(counted(machine, ...NAMES))).toEqual([8, 8, 0]);
  });

  test('is not when there are none', () => {
    const machine = machineWith('classic');
    const folio = outAndIn(machine, 0);
    expect(machine.table.has(folio, PG_active)).toBe(false);
    expect(Object.values(counted(machine, ...NAMES))).toEqual([8, 0, 0]);
  });

  test('counts as a refault with generations, but is active only if it was in use for long', () => {
    const machine = machineWith('generations');
    const folio = outAndIn(machine, 0);
    expect(machine.table.has(folio, PG_workingset)).toBe(false);
    expect(Object.values(counted(machine, ...NAMES))).toEqual([8, 0, 0]);
  });
});

test('a shadow is one number and back', () => {
  const shadow = { memcg: 127, nid: 63, token: 2 ** 30, refs: 3, isWorkingset: true };
  expect(unpackShadow(packShadow(shadow))).toEqual(shadow);
});

test('a tier whose pages come back more often than the first one is dearer', () => {
  const tiers = new TierCounts();
  tiers.noteEvicted(1, 0, 1000);
  tiers.noteEvicted(1, 2, 200);
  const first = (): Parameters<typeof isCheaper>[0] => tiers.position(1, 0, 0, 2);
  expect(isCheaper(first(), tiers.position(1, 2, 2, 3))).toBe(true);
  tiers.noteRefaulted(1, 2, 150);
  expect(isCheaper(first(), tiers.position(1, 2, 2, 3))).toBe(false);
  tiers.carryOver(1);
  expect(tiers.position(1, 2, 2, 3)).toEqual({ refaulted: 75, total: 100, gain: 3 });
});
