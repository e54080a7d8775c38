import { expect, test } from 'vitest';
import {
  MAP_PRIVATE,
  MAP_SHARED,
  type Machine,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '../../src/index.js';
import { HUGE, mapHuge, poolCounts, setPool, twoNodes } from '../hugetlb-pool.js';

/** Where areas are, in huge pages, and what the pool says. */
function state(machine: Machine, task: Task): string {
  const areas = task.mm
    .within(0, Infinity)
    .map(({ start, end }) => `${(start * 4096) / HUGE}-${(end * 4096) / HUGE}`);
  const promised = machine.pseudoFiles.read(
    '/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages',
  );
  return `mapped ${areas}, promised ${promised}, pool ${poolCounts(machine)}`;
}

test('lengths are rounded up to huge pages, and an area may shrink but not grow', () => {
  const machine = twoNodes();
  setPool(machine, 0, 2);
  const task = machine.createTask('t');
  const addr = mapHuge(machine, task, 1 << 30, 2, MAP_PRIVATE);
  const resize = (oldLength: number, newLength: number): string => {
    const rc = machine.sys.mremap.mremap(task.struct, { addr, oldLength, newLength, flags: 0 });
    return `${rc === addr ? 'in place' : rc}: ${state(machine, task)}`;
  };
  expect({
    'to 3': resize(2 * HUGE, 3 * HUGE),
    'the first one to 2': resize(HUGE, 2 * HUGE),
    'to 1 and a page': resize(2 * HUGE, HUGE + 4096),
    'to a page': resize(2 * HUGE, 4096),
  }).toMatchInlineSnapshot(`
    {
      "the first one to 2": "-22: mapped 512-514, promised 2, pool 2/2/0 0/0/0",
      "to 1 and a page": "in place: mapped 512-514, promised 2, pool 2/2/0 0/0/0",
      "to 3": "-22: mapped 512-514, promised 2, pool 2/2/0 0/0/0",
      "to a page": "in place: mapped 512-513, promised 1, pool 2/2/0 0/0/0",
    }
  `);
  machine.verify();
});

test('what moves has its promises where it goes, and what is cut off gives them back', () => {
  const machine = twoNodes();
  setPool(machine, 0, 3);
  const task = machine.createTask('t');
  const addr = mapHuge(machine, task, 1 << 30, 3, MAP_PRIVATE);
  expect(task.write(addr / 4096)).toBe('ok');
  const before = state(machine, task);
  const newAddr = 3 << 29;
  const { mremap } = machine.sys;
  const request = { addr, newAddr, oldLength: 3 * HUGE, newLength: 2 * HUGE };
  const rc = mremap.mremap(task.struct, { ...request, flags: MREMAP_MAYMOVE | MREMAP_FIXED });
  expect(rc).toBe(newAddr);
  const moved = state(machine, task);
  expect(task.write(newAddr / 4096 + 512)).toBe('ok');
  const written = state(machine, task);
  machine.sys.munmap.munmap(task.struct, newAddr, 2 * HUGE);
  const unmapped = state(machine, task);
  expect({ before, moved, written, unmapped }).toMatchInlineSnapshot(`
    {
      "before": "mapped 512-515, promised 2, pool 3/2/0 0/0/0",
      "moved": "mapped 768-770, promised 1, pool 3/2/0 0/0/0",
      "unmapped": "mapped , promised 0, pool 3/3/0 0/0/0",
      "written": "mapped 768-770, promised 0, pool 3/1/0 0/0/0",
    }
  `);
  machine.verify();
});

test('an area of the pool moves along with its neighbours', () => {
  const machine = twoNodes();
  setPool(machine, 0, 2);
  const task = machine.createTask('t');
  const addr = mapHuge(machine, task, 1 << 30, 1, MAP_PRIVATE);
  task.mmap((addr + HUGE) / 4096, 512);
  mapHuge(machine, task, addr + 2 * HUGE, 1, MAP_SHARED);
  const first = addr / 4096;
  for (const vpn of [0, 512, 1024]) expect(task.write(first + vpn)).toBe('ok');
  const newAddr = 3 << 29;
  expect(task.mremap(first, 1536, newAddr / 4096, 1536)).toBe(0);
  expect(state(machine, task)).toBe('mapped 768-769,769-770,770-771, promised 0, pool 2/0/0 0/0/0');
  expect([0, 512, 1024].map((vpn) => task.read(newAddr / 4096 + vpn))).toEqual(['ok', 'ok', 'ok']);
  expect(machine.engine.shadow.counts.lostPages).toBe(0);
  machine.verify();
});

test('an area of the pool that was cut does not heal', () => {
  const machine = twoNodes();
  setPool(machine, 0, 2);
  const task = machine.createTask('t');
  const first = mapHuge(machine, task, 1 << 30, 2, MAP_PRIVATE) / 4096;
  for (const prot of [PROT_READ, PROT_READ | PROT_WRITE]) task.mprotect(first, 512, prot);
  expect(state(machine, task)).toBe('mapped 512-513,513-514, promised 2, pool 2/2/0 0/0/0');
});
