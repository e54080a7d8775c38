import { describe, expect, test } from 'vitest';
import { type Machine, PTE_ACCESSED, type Task } from '../../src/index.js';
import { machineOf, twoTiers } from '../machine-of.js';

const ROOT = '/sys/fs/cgroup';
const PAGES = 64;
/** The older pages, which reclaim comes to first. */
const OLD = Array.from({ length: PAGES }, (_, at) => at);
const NEW = OLD.map((vpn) => PAGES + vpn);

/** Pages of a group g that only a program outside of it maps; it has just read the older ones. */
function strangersPages(lruGen: 'y' | 'n'): { machine: Machine; stranger: Task } {
  const machine = machineOf({ nodes: twoTiers(1024, 1024), sysctl: { demotion_enabled: true } });
  const { pseudoFiles } = machine;
  pseudoFiles.write('/sys/kernel/mm/lru_gen/enabled', lruGen);
  pseudoFiles.write(`${ROOT}/cgroup.subtree_control`, '+memory');
  machine.cgroups.mkdir('g');
  const inside = machine.createTask('inside');
  pseudoFiles.write(`${ROOT}/g/cgroup.procs`, String(inside.struct.pid));
  inside.mmap(0, 2 * PAGES);
  for (const vpn of [...OLD, ...NEW]) inside.write(vpn);
  const stranger = inside.fork('stranger');
  if (typeof stranger === 'number') throw new Error(`fork: ${stranger}`);
  pseudoFiles.write(`${ROOT}/cgroup.procs`, String(stranger.struct.pid));
  inside.munmap(0, 2 * PAGES);
  for (const vpn of OLD) stranger.read(vpn);
  return { machine, stranger };
}

function youngOf(machine: Machine, task: Task, vpns: readonly number[]): number {
  const { bits } = machine.ptes;
  const slots = vpns.map((vpn) => machine.ptes.find(task.mm.id, vpn));
  return slots.filter((slot) => (bits[slot]! & PTE_ACCESSED) !== 0).length;
}

/** Half of what there is of each age is asked for. @returns which ages had to give pages */
function reclaim(machine: Machine, task: Task, group: string): { old: boolean; new: boolean } {
  const text = String((PAGES / 2) * 4096);
  expect(machine.pseudoFiles.write(`${ROOT}${group}/memory.reclaim`, text)).toBe(0);
  machine.verify();
  const gave = (vpns: readonly number[]): number =>
    task.where(vpns).filter((nid) => nid === 1).length;
  expect(gave(OLD) + gave(NEW)).toBeGreaterThanOrEqual(PAGES / 2);
  return { old: gave(OLD) > 0, new: gave(NEW) > 0 };
}

describe.each([
  { lru: 'classic lists', lruGen: 'n' as const },
  { lru: 'generations', lruGen: 'y' as const },
])('pages that only a stranger to their group uses ($lru)', ({ lruGen }) => {
  test('reclaim for the group takes them in their turn and leaves the accessed bits', () => {
    const { machine, stranger } = strangersPages(lruGen);
    expect(reclaim(machine, stranger, '/g')).toEqual({ old: true, new: false });
    expect(youngOf(machine, stranger, OLD)).toBe(PAGES);
  });

  test('reclaim for all spares them', () => {
    const { machine, stranger } = strangersPages(lruGen);
    expect(reclaim(machine, stranger, '')).toEqual({ old: false, new: true });
  });
});
