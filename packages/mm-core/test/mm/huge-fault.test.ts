import { expect, test } from 'vitest';
import {
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_PAGEOUT,
  MADV_REMOVE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_SHARED,
  type Machine,
  PAGE_SIZE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_HUGEPAGE,
  zramSwap,
} from '../../src/index.js';
import { type Contents, ContentsToken } from '../../src/mem/contents.js';
import { type HugeMemory, HugeMemoryToken } from '../../src/mm/huge-memory.js';
import { entryOf, machineOf, pfnOf } from '../machine-of.js';

const RW = PROT_READ | PROT_WRITE;
const COUNTERS = [
  'thp_fault_alloc',
  'thp_fault_fallback',
  'thp_zero_page_alloc',
  'thp_split_pmd',
  'thp_split_page',
  'thp_deferred_split_page',
] as const;

function hugeMachine(pages = 8192): Machine {
  return machineOf({ nodes: [{ id: 0, pages, cpus: 1 }], sysctl: { thp_enabled: 'madvise' } });
}

/** Counters that are not zero, and the first pages of the PMDs that are huge. */
function state(machine: Machine, task: Task): string {
  machine.verify();
  const huge = machine.ptes.hugeLeaves(task.mm.id, 0, Infinity).map(({ first }) => first);
  const events = machine.vmstat();
  const moved = COUNTERS.filter((name) => events[name] > 0).map(
    (name) => `${name} ${events[name]}`,
  );
  return [`rss ${task.mm.rss}`, `huge ${huge.join(',')}`, ...moved].join('; ');
}

function hugeTask(machine: Machine, pages = 1024): Task {
  const task = machine.createTask('t');
  task.mmap(512, pages, RW, VM_HUGEPAGE);
  return task;
}

test('one store to an advised area maps a whole huge page, and a short area has none', () => {
  const machine = hugeMachine();
  const task = hugeTask(machine, 700);
  task.write(600);
  task.write(1100);
  task.write(513);
  expect(state(machine, task)).toMatchInlineSnapshot(`"rss 513; huge 512; thp_fault_alloc 1"`);
});

test('what is changed in part is split, what is changed whole is not', () => {
  const machine = hugeMachine();
  const task = hugeTask(machine);
  const seen: string[] = [];
  task.write(512);
  task.write(1024);
  task.mprotect(512, 512, PROT_NONE);
  task.mprotect(512, 512, RW);
  seen.push(state(machine, task));
  task.mprotect(512, 10, PROT_READ);
  seen.push(state(machine, task));
  task.madvise(1030, 10, MADV_DONTNEED);
  seen.push(state(machine, task));
  task.munmap(512, 1024);
  seen.push(state(machine, task));
  expect(seen).toMatchInlineSnapshot(`
    [
      "rss 1024; huge 512,1024; thp_fault_alloc 2",
      "rss 1024; huge 1024; thp_fault_alloc 2; thp_split_pmd 1",
      "rss 1014; huge ; thp_fault_alloc 2; thp_split_pmd 2; thp_deferred_split_page 1",
      "rss 0; huge ; thp_fault_alloc 2; thp_split_pmd 2; thp_deferred_split_page 1",
    ]
  `);
});

test('a PMD that was zapped whole may be huge again, one whose page table stays may not', () => {
  const machine = hugeMachine();
  const task = hugeTask(machine);
  task.write(512);
  task.madvise(512, 512, MADV_DONTNEED);
  task.write(513);
  const again = state(machine, task);
  task.madvise(512, 256, MADV_DONTNEED);
  task.madvise(768, 256, MADV_DONTNEED);
  task.write(513);
  expect([again, state(machine, task)]).toMatchInlineSnapshot(`
    [
      "rss 512; huge 512; thp_fault_alloc 2",
      "rss 1; huge ; thp_fault_alloc 2; thp_split_pmd 1; thp_deferred_split_page 1",
    ]
  `);
});

test('a load maps the huge zero page, and a store puts a huge page in its place', () => {
  const machine = hugeMachine();
  const task = hugeTask(machine);
  task.read(512);
  task.read(1024);
  const seen = [state(machine, task), entryOf(machine, task, 700)];
  task.write(600);
  seen.push(state(machine, task), entryOf(machine, task, 700));
  task.munmap(1024, 1);
  seen.push(state(machine, task), entryOf(machine, task, 1025));
  expect(seen).toMatchInlineSnapshot(`
    [
      "rss 0; huge 512,1024; thp_zero_page_alloc 1",
      "ro zero",
      "rss 512; huge 512,1024; thp_fault_alloc 1; thp_zero_page_alloc 1",
      "rw dirty exclusive @0",
      "rss 512; huge 512; thp_fault_alloc 1; thp_zero_page_alloc 1; thp_split_pmd 1",
      "ro zero",
    ]
  `);
});

test('a store to a shared huge page splits the storer and copies one page', () => {
  const machine = hugeMachine();
  const task = hugeTask(machine);
  task.write(512);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error(`fork: ${child}`);
  child.write(520);
  const seen = [state(machine, task), state(machine, child)];
  seen.push(String(pfnOf(machine, task, 521) === pfnOf(machine, child, 521)));
  child.exit();
  task.write(512);
  seen.push(state(machine, task), entryOf(machine, task, 700));
  expect(seen).toMatchInlineSnapshot(`
    [
      "rss 512; huge 512; thp_fault_alloc 1; thp_split_pmd 1",
      "rss 512; huge ; thp_fault_alloc 1; thp_split_pmd 1",
      "true",
      "rss 512; huge 512; thp_fault_alloc 1; thp_split_pmd 1",
      "rw dirty exclusive @0",
    ]
  `);
});

test('mremap moves a huge page whole between aligned places and splits it elsewhere', () => {
  const machine = hugeMachine();
  const task = hugeTask(machine, 512);
  task.write(512);
  task.mremap(512, 512, 8192, 512);
  const aligned = state(machine, task);
  task.mremap(8192, 512, 20_000, 512);
  expect([aligned, state(machine, task)]).toMatchInlineSnapshot(`
    [
      "rss 512; huge 8192; thp_fault_alloc 1",
      "rss 512; huge ; thp_fault_alloc 1; thp_split_pmd 1",
    ]
  `);
});

test('a huge page that moves stays one, its pages whole', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 8192, cpus: 1 },
      { id: 1, pages: 8192, cpus: 1 },
    ],
    sysctl: { thp_enabled: 'madvise' },
  });
  const task = hugeTask(machine);
  task.write(512);
  const { rc, status } = task.movePages([700], 1);
  expect([rc, ...status, state(machine, task), ...task.where([512, 1023])]).toMatchInlineSnapshot(`
    [
      0,
      1,
      "rss 512; huge 512; thp_fault_alloc 1",
      1,
      1,
    ]
  `);
});

test('a store to one page of a huge one makes all of them dirty once the PMD is split', () => {
  const machine = hugeMachine();
  const task = hugeTask(machine, 512);
  task.write(512);
  task.madvise(512, 512, MADV_FREE);
  task.write(515);
  task.mprotect(512, 1, PROT_READ);
  const dirty = [512, 515, 1000].map((vpn) => entryOf(machine, task, vpn).includes('dirty'));
  expect(dirty).toEqual([true, true, true]);
});

test('MADV_PAGEOUT splits a folio that is mapped in part and takes what is mapped', () => {
  const machine = machineOf({
    nodes: [{ id: 0, pages: 8192, cpus: 1 }],
    sysctl: { thp_enabled: 'madvise' },
    plugins: [zramSwap({ pages: 4096, codec: 'lz4' })],
  });
  const task = hugeTask(machine, 512);
  for (let vpn = 512; vpn < 1024; vpn++) task.write(vpn);
  task.madvise(512, 100, MADV_DONTNEED);
  task.madvise(512, 512, MADV_PAGEOUT);
  expect([task.mm.rss, task.mm.swapents, machine.vmstat().thp_split_page]).toEqual([0, 412, 1]);
  machine.verify();
});

test('shared memory has huge pages where advised; a part taken away unmaps all of one', () => {
  const machine = hugeMachine();
  machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'advise');
  const task = machine.createTask('t');
  const range = { addr: 512 * PAGE_SIZE, length: 1024 * PAGE_SIZE };
  const flags = MAP_ANONYMOUS | MAP_SHARED | MAP_FIXED;
  machine.sys.mmap.mmap(task.struct, { ...range, prot: RW, flags });
  task.madvise(512, 1024, MADV_HUGEPAGE);
  task.write(600);
  task.write(1024);
  const seen = [state(machine, task)];
  task.madvise(512, 10, MADV_DONTNEED);
  seen.push(state(machine, task));
  task.read(700);
  seen.push(state(machine, task));
  task.madvise(512, 10, MADV_REMOVE);
  seen.push(state(machine, task));
  expect(seen).toMatchInlineSnapshot(`
    [
      "rss 1024; huge 512,1024",
      "rss 512; huge 1024; thp_split_pmd 1",
      "rss 1024; huge 512,1024; thp_split_pmd 1",
      "rss 512; huge 1024; thp_split_pmd 2; thp_split_page 1",
    ]
  `);
});

test('a huge page of shared memory is mapped over the end of its file until it is cut', () => {
  const machine = hugeMachine();
  machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'always');
  const { openFiles, mmap } = machine.sys;
  const task = machine.createTask('t');
  const file = openFiles.memfdCreate('m');
  openFiles.ftruncate(file, 100 * PAGE_SIZE);
  const range = { addr: 512 * PAGE_SIZE, length: 512 * PAGE_SIZE };
  mmap.mmap(task.struct, { ...range, prot: RW, flags: MAP_SHARED | MAP_FIXED, file });
  const seen = [task.write(900), task.write(512), task.write(900), state(machine, task)];
  openFiles.ftruncate(file, 100 * PAGE_SIZE);
  seen.push(task.write(900), task.write(611), state(machine, task));
  expect(seen).toEqual([
    'SIGBUS',
    'ok',
    'ok',
    'rss 512; huge 512',
    'SIGBUS',
    'ok',
    'rss 1; huge ; thp_split_pmd 1; thp_split_page 1',
  ]);
});

test('MADV_COLLAPSE makes one huge page of what shared memory has, for every program', () => {
  const machine = hugeMachine();
  const task = machine.createTask('t');
  const range = { addr: 512 * PAGE_SIZE, length: 512 * PAGE_SIZE };
  const flags = MAP_ANONYMOUS | MAP_SHARED | MAP_FIXED;
  machine.sys.mmap.mmap(task.struct, { ...range, prot: RW, flags });
  for (let vpn = 512; vpn < 600; vpn++) task.write(vpn);
  task.madvise(512, 512, MADV_COLLAPSE);
  const seen = [state(machine, task), machine.vmstat().thp_collapse_alloc];
  for (let vpn = 512; vpn < 1024; vpn++) task.read(vpn);
  expect([...seen, machine.engine.shadow.counts.staleReads]).toMatchInlineSnapshot(`
    [
      "rss 512; huge 512",
      1,
      0,
    ]
  `);
});

test('a folio of 64 KiB that went to swap whole comes back whole with one fault', () => {
  const machine = machineOf({
    nodes: [{ id: 0, pages: 8192, cpus: 1 }],
    sysctl: { thp_enabled: 'never', thp_order: 4 },
    plugins: [zramSwap({ pages: 4096, codec: 'lz4' })],
  });
  const task = hugeTask(machine, 32);
  for (let vpn = 512; vpn < 544; vpn++) task.write(vpn);
  task.madvise(512, 32, MADV_PAGEOUT);
  task.madvise(530, 1, MADV_DONTNEED);
  for (const vpn of [515, 529]) task.read(vpn);
  expect([task.mm.rss, task.mm.swapents, machine.vmstat().pgmajfault]).toEqual([17, 14, 2]);
  machine.verify();
});

test('a page that is lost is no page of zeroes when its huge page is split', () => {
  const parts: { contents: Contents; huge: HugeMemory }[] = [];
  const machine = machineOf({
    nodes: [{ id: 0, pages: 8192, cpus: 1 }],
    sysctl: { thp_enabled: 'madvise' },
    plugins: [
      {
        name: 'parts',
        probe: ({ get }) => {
          parts.push({ contents: get(ContentsToken), huge: get(HugeMemoryToken) });
        },
      },
    ],
  });
  const [part] = parts;
  const task = hugeTask(machine);
  for (let vpn = 512; vpn < 516; vpn++) task.write(vpn);
  part?.contents.lose(pfnOf(machine, task, 513));
  expect(part?.huge.split(pfnOf(machine, task, 512))).toBe(0);
  for (let vpn = 512; vpn < 516; vpn++) task.read(vpn);
  expect(machine.stats()['integrity.lost_pages']).toBe(1);
  machine.verify();
});
