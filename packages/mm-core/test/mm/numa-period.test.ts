import { expect, test } from 'vitest';
import { NumaPeriod } from '../../src/mm/numa-period.js';
import { SYSCTL_DEFAULTS } from '../../src/mm/sysctl.js';
import { machineOf } from '../machine-of.js';

/** Periods after passes in which all faults were of one kind. */
function periodsOf(kind: { isLocal: boolean; isPrivate: boolean; hasFailed: boolean }): number[] {
  const machine = machineOf();
  const sysctl = { ...SYSCTL_DEFAULTS, numa_balancing: 1 };
  const period = new NumaPeriod(machine.tiers, sysctl, machine.clock);
  const { struct } = machine.createTask('t');
  struct.numa.scanPeriodMs = 4000;
  const fault = { nid: 0, pages: 100, ...kind };
  return [1, 2, 3].map((pass) => {
    period.fault(struct, fault);
    struct.numa.scanSeq = pass;
    period.fault(struct, fault);
    return struct.numa.scanPeriodMs;
  });
}

test('a task is scanned more often while it shares pages that are far away', () => {
  expect(periodsOf({ isLocal: false, isPrivate: false, hasFailed: false })).toEqual([
    1200, 1000, 1000,
  ]);
});

test('it is scanned less often when its pages are its own or near', () => {
  expect(periodsOf({ isLocal: true, isPrivate: true, hasFailed: false })).toEqual([
    5200, 6760, 8788,
  ]);
  expect(periodsOf({ isLocal: true, isPrivate: false, hasFailed: false })).toEqual([
    5200, 6760, 8788,
  ]);
});

test('pages that cannot move make it half as often', () => {
  expect(periodsOf({ isLocal: false, isPrivate: false, hasFailed: true })).toEqual([
    8000, 16000, 32000,
  ]);
});
