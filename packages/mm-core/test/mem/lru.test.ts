import { expect, test } from 'vitest';
import {
  LRU_ACTIVE_ANON,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
  lruOf,
  PG_active,
  PG_lru,
  PG_swapbacked,
  PG_unevictable,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

test('flags say the list', () => {
  expect([
    lruOf(0),
    lruOf(PG_swapbacked),
    lruOf(PG_swapbacked | PG_active),
    lruOf(PG_swapbacked | PG_active | PG_unevictable),
  ]).toEqual([LRU_INACTIVE_FILE, LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_UNEVICTABLE]);
});

test('sizes count pages and the oldest is the one added first', () => {
  const machine = machineOf();
  const folios = [0, 0, 2].map((order) => {
    const pfn = machine.zoneAlloc.alloc({ gfp: 0, order, nid: 0, nodemask: null });
    machine.table.set(pfn, PG_swapbacked);
    machine.lru.add(pfn);
    return pfn;
  });
  const [first = -1, second = -1, large = -1] = folios;
  const size = machine.lru.size(0, LRU_INACTIVE_ANON);
  const oldest = machine.lru.oldest(0, LRU_INACTIVE_ANON);
  machine.lru.remove(first);
  expect({
    size,
    oldest: oldest === first,
    walk: [...machine.lru.walk(0, LRU_INACTIVE_ANON)].map((pfn) => folios.indexOf(pfn)),
    after: machine.lru.size(0, LRU_INACTIVE_ANON),
    flags: [first, second, large].map((pfn) => machine.table.has(pfn, PG_lru)),
  }).toMatchInlineSnapshot(`
    {
      "after": 5,
      "flags": [
        false,
        true,
        true,
      ],
      "oldest": true,
      "size": 6,
      "walk": [
        2,
        1,
      ],
    }
  `);
  expect(() => machine.lru.add(second)).toThrow('on no list');
  expect(() => machine.lru.remove(first)).toThrow('on a list');
});

test('a new page waits in the batch, which 31 pages or a large folio drain', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 40);
  const sizes: number[] = [];
  for (let vpn = 0; vpn < 32; vpn++) {
    task.write(vpn);
    sizes.push(machine.lru.size(0, LRU_INACTIVE_ANON));
  }
  expect([sizes[29], sizes[30], sizes[31]]).toEqual([0, 31, 31]);
});
