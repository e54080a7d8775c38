import { expect, test } from 'vitest';
import { BootOrder } from '../../src/conform/boot-order.js';
import type { Json } from '../../src/conform/json.js';

const ALLOWED = '/proc/sys/vm/compact_unevictable_allowed';
const COMPACT = '/sys/devices/system/node/node3/compact';
const POOL = '/proc/sys/vm/nr_hugepages';

function caseOf(id: string, op: string, path: string, machine = 'dual'): Json {
  return { id, machine, steps: [{ op, path, value: '0' }] };
}

function earlierOf(cases: readonly Json[]): unknown[] {
  const order = new BootOrder();
  return cases.map((kase) => order.add(kase).map((before) => (before as { id: string }).id));
}

test('a setting of compaction is not put back: it is there for what comes after', () => {
  expect(
    earlierOf([
      caseOf('compacts', 'sys_write', COMPACT),
      caseOf('sets', 'sys_write', ALLOWED),
      caseOf('reads', 'sys_read', ALLOWED),
      caseOf('compacts again', 'sys_write', COMPACT),
      caseOf('elsewhere', 'sys_read', ALLOWED, 'flat'),
      caseOf('something else', 'sys_read', '/proc/sys/vm/swappiness'),
    ]),
  ).toEqual([[], ['compacts'], ['sets'], ['sets'], [], ['compacts again']]);
});

test('the pool of huge pages is there for what comes after, else the case before it', () => {
  expect(
    earlierOf([
      caseOf('pool', 'sys_write', POOL),
      caseOf('sets', 'sys_write', ALLOWED),
      caseOf('pool again', 'sys_read', POOL),
    ]),
  ).toEqual([[], ['pool'], ['pool']]);
});
