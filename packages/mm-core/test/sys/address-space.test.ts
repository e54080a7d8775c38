import { expect, test } from 'vitest';
import {
  errnoName,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_POPULATE_WRITE,
  type Machine,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  plainCreds,
  type Task,
  VM_LOCKED,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const RW = PROT_READ | PROT_WRITE;
const PRIVATE_ANON = 0x22;
const SHARED_ANON = 0x21;
const FIXED = 0x10;
const LOCKED = 0x2000;
const BASE = 2 ** 40;

function at(page: number): number {
  return BASE + page * PAGE_SIZE;
}

/** A task with `pages` pages of memory at `BASE`. */
function start(pages: number, flags = PRIVATE_ANON): { machine: Machine; task: Task } {
  const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
  const task = machine.createTask('t');
  machine.work.runAs(task.struct);
  const length = pages * PAGE_SIZE;
  machine.sys.mmap.mmap(task.struct, { addr: BASE, length, prot: RW, flags: flags | FIXED });
  return { machine, task };
}

/** 0, an address as `ok`, or the name of an error. */
function said(rc: number): string {
  if (rc < 0) return errnoName(rc);
  return rc === 0 ? '0' : 'ok';
}

test('arguments are refused in the order of Linux', () => {
  const { machine, task } = start(8);
  const { sys } = machine;
  const t = task.struct;
  const map = (length: number, flags: number): string =>
    said(sys.mmap.mmap(t, { addr: 0, length, prot: RW, flags, file: null }));
  const remap = (newLength: number, flags: number, newAddr = 0): string =>
    said(sys.mremap.mremap(t, { addr: BASE, oldLength: 4096, newLength, flags, newAddr }));
  const answers = {
    'mmap of nothing': map(0, PRIVATE_ANON),
    'mmap without a file': map(4096, 0x2),
    'mmap of a length that wraps': map(-1, PRIVATE_ANON),
    'mmap of neither kind': map(4096, 0x20),
    'mmap of more than there is': map(2 ** 36, PRIVATE_ANON),
    'mprotect of nothing, unaligned': said(sys.mprotect.mprotect(t, BASE + 1, 0, RW)),
    'mprotect of a length that wraps': said(sys.mprotect.mprotect(t, BASE, -1, 64)),
    'mprotect with unknown bits': said(sys.mprotect.mprotect(t, BASE, 1, 64)),
    'madvise of nothing with unknown advice': said(sys.madvise.madvise(t, BASE, 0, 9999)),
    'madvise of nothing': said(sys.madvise.madvise(t, BASE, 0, MADV_DONTNEED)),
    'madvise past the end': said(sys.madvise.madvise(t, BASE, 9 * 4096, MADV_DONTNEED)),
    'mlock2 with unknown flags': said(sys.mlock.mlock2(t, BASE, 1, 2)),
    'mlockall on fault alone': said(sys.mlock.mlockall(t, 4)),
    'mremap to nothing': remap(0, MREMAP_MAYMOVE),
    'mremap to a place without leave to move': remap(4096, MREMAP_FIXED, at(100)),
    'mremap onto itself': remap(4096, MREMAP_FIXED | MREMAP_MAYMOVE, BASE),
    'mincore unaligned': said(sys.mincore.mincore(t, BASE + 1, 1, [])),
    'mincore into nowhere': said(sys.mincore.mincore(t, BASE, 1, null)),
    'msync both ways': said(sys.msync.msync(t, BASE, 1, 5)),
    'mseal with flags': said(sys.mseal.mseal(t, BASE, 1, 1)),
    'munmap unaligned': said(sys.munmap.munmap(t, BASE + 1, 4096)),
  };
  expect(answers).toMatchInlineSnapshot(`
    {
      "madvise of nothing": "0",
      "madvise of nothing with unknown advice": "EINVAL",
      "madvise past the end": "ENOMEM",
      "mincore into nowhere": "EFAULT",
      "mincore unaligned": "EINVAL",
      "mlock2 with unknown flags": "EINVAL",
      "mlockall on fault alone": "EINVAL",
      "mmap of a length that wraps": "ENOMEM",
      "mmap of more than there is": "ENOMEM",
      "mmap of neither kind": "EINVAL",
      "mmap of nothing": "EINVAL",
      "mmap without a file": "EBADF",
      "mprotect of a length that wraps": "ENOMEM",
      "mprotect of nothing, unaligned": "EINVAL",
      "mprotect with unknown bits": "EINVAL",
      "mremap onto itself": "EINVAL",
      "mremap to a place without leave to move": "EINVAL",
      "mremap to nothing": "EINVAL",
      "mseal with flags": "EINVAL",
      "msync both ways": "EINVAL",
      "munmap unaligned": "EINVAL",
    }
  `);
});

test('limits bind whom no capability frees', () => {
  const { machine, task } = start(8);
  const { mlock, mmap, mremap } = machine.sys;
  const t = task.struct;
  t.creds = plainCreds(1000);
  t.rlimits.memlock = 4 * PAGE_SIZE;
  const grow = { addr: BASE, oldLength: 4 * PAGE_SIZE, newLength: 5 * PAGE_SIZE, flags: 1 };
  const locked = { addr: at(100), length: 4096, prot: RW, flags: PRIVATE_ANON | LOCKED | FIXED };
  const said4 = said(mlock.mlock(t, BASE, 4 * PAGE_SIZE));
  expect([
    said4,
    said(mlock.mlock(t, at(2), 4 * PAGE_SIZE)),
    said(mlock.mlock(t, BASE, 4 * PAGE_SIZE)),
    said(mmap.mmap(t, locked)),
    said(mremap.mremap(t, grow)),
  ]).toEqual(['0', 'ENOMEM', '0', 'EAGAIN', 'EAGAIN']);
  machine.verify();
});

test('sealed memory keeps its place, its protection and what it holds', () => {
  const { machine, task } = start(8);
  const { mseal, munmap, mprotect, mremap, madvise, mmap } = machine.sys;
  const t = task.struct;
  mprotect.mprotect(t, BASE, 4 * PAGE_SIZE, PROT_READ);
  mseal.mseal(t, BASE, 4 * PAGE_SIZE, 0);
  const over = { addr: at(3), length: 2 * PAGE_SIZE, prot: RW, flags: PRIVATE_ANON | FIXED };
  const move = { addr: BASE, oldLength: 4096, newLength: 8192, flags: MREMAP_MAYMOVE };
  const calls = [
    munmap.munmap(t, BASE, 8 * PAGE_SIZE),
    mprotect.mprotect(t, at(2), 4096, RW),
    mremap.mremap(t, move),
    madvise.madvise(t, BASE, 4096, MADV_DONTNEED),
    mmap.mmap(t, over),
  ];
  expect(calls.map(said)).toEqual(['EPERM', 'EPERM', 'EPERM', 'EPERM', 'EPERM']);
  expect(task.mm.covers(at(0) / PAGE_SIZE, at(8) / PAGE_SIZE)).toBe(true);
});

test('one mremap moves several areas and keeps the holes between them', () => {
  const { machine, task } = start(12);
  const first = BASE / PAGE_SIZE;
  for (let page = 0; page < 12; page++) task.write(first + page);
  task.mprotect(first + 4, 4, PROT_READ);
  task.munmap(first + 9, 2);
  expect(task.mremap(first, 12, first + 100, 12)).toBe(0);
  const shape = task.mm.vmas.map(({ start, end }) => [start - first, end - first]);
  expect(shape).toEqual([
    [100, 104],
    [104, 108],
    [108, 109],
    [111, 112],
  ]);
  expect([task.read(first + 104), task.write(first + 104)]).toEqual(['ok', 'SIGSEGV']);
  expect(machine.engine.shadow.counts.lostPages).toBe(0);
  machine.verify();
});

test('a guard raises SIGSEGV, outlives DONTNEED and stops population', () => {
  const { machine, task } = start(4);
  const first = BASE / PAGE_SIZE;
  const { madvise } = machine.sys;
  madvise.madvise(task.struct, at(2), 4096, MADV_GUARD_INSTALL);
  task.madvise(first, 4, MADV_DONTNEED);
  const populated = madvise.madvise(task.struct, BASE, 4 * PAGE_SIZE, MADV_POPULATE_WRITE);
  expect([said(populated), task.read(first + 1), task.read(first + 2)]).toEqual([
    'EFAULT',
    'ok',
    'SIGSEGV',
  ]);
  expect(task.struct.lastSignal).toEqual({ signal: 'SIGSEGV', code: 'MAPERR', lsb: 0 });
  machine.verify();
});

test('what nobody can reach any more is freed: shared memory with its last mapping', () => {
  const { machine, task } = start(4, SHARED_ANON);
  const first = BASE / PAGE_SIZE;
  for (let page = 0; page < 4; page++) task.write(first + page);
  const child = task.fork('c');
  if (typeof child === 'number') throw new Error('fork failed');
  task.munmap(first, 4);
  const kept = [...machine.files.all()].length;
  expect([kept, child.read(first)]).toEqual([1, 'ok']);
  child.exit();
  expect([...machine.files.all()]).toEqual([]);
  machine.verify();
});

test('lazily freed pages are kept for whoever stores to them, and read as zeroes otherwise', () => {
  const { machine, task } = start(2);
  const first = BASE / PAGE_SIZE;
  task.write(first);
  task.write(first + 1);
  task.madvise(first, 2, MADV_FREE);
  task.write(first + 1);
  task.madvise(first, 2, 21);
  const shadow = machine.engine.shadow.counts;
  expect([task.read(first), task.read(first + 1), shadow.lostPages]).toEqual(['ok', 'ok', 0]);
  expect(machine.vmstat().pglazyfreed).toBe(1);
  machine.verify();
});

test('memory for execution alone is closed to loads', () => {
  const { task } = start(1);
  const first = BASE / PAGE_SIZE;
  task.write(first);
  task.mprotect(first, 1, PROT_EXEC);
  expect(task.read(first)).toBe('SIGSEGV');
  expect(task.struct.lastSignal?.code).toBe('PKUERR');
  task.mprotect(first, 1, RW);
  expect(task.read(first)).toBe('ok');
});

test('what can be unmapped before a sealed area stays split from it', () => {
  const { machine, task } = start(8);
  const { mmap, munmap, mseal } = machine.sys;
  mmap.mmap(task.struct, {
    addr: at(8),
    length: 2 * PAGE_SIZE,
    prot: 1,
    flags: SHARED_ANON | FIXED,
  });
  mseal.mseal(task.struct, at(8), 2 * PAGE_SIZE, 0);
  const rc = munmap.munmap(task.struct, at(5), 4 * PAGE_SIZE);
  expect(errnoName(-rc)).toBe('EPERM');
  expect(task.mm.vmas.map((vma) => vma.end - vma.start)).toEqual([5, 3, 2]);
});

test('lengths that wrap: munlock does nothing, mremap sees no overlap', () => {
  const { machine, task } = start(4);
  const wraps = 2 ** 64 - PAGE_SIZE;
  expect(machine.sys.mlock.munlock(task.struct, at(0) + 8, wraps)).toBe(0);
  const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  const request = { addr: at(6), oldLength: wraps, newLength: PAGE_SIZE, flags, newAddr: at(7) };
  expect(errnoName(-machine.sys.mremap.mremap(task.struct, request))).toBe('EFAULT');
});

test('process_madvise counts the ranges, then looks at lengths, then at addresses', () => {
  const { machine, task } = start(4);
  const { processMadvise } = machine.sys.processMadvise;
  const advise = (ranges: readonly (readonly [number, number])[] | null, more: object = {}) => {
    const asked = ranges?.map(([addr, length]) => ({ addr, length })) ?? null;
    const request = { target: task.struct, ranges: asked, advice: MADV_COLD, flags: 0, ...more };
    const rc = processMadvise.call(machine.sys.processMadvise, task.struct, request);
    return rc < 0 ? errnoName(-rc) : rc;
  };
  expect(advise(null, { vlen: 1025 })).toBe('EINVAL');
  expect(advise(null, { vlen: 2 })).toBe('EFAULT');
  expect(advise(null, { vlen: 0 })).toBe(0);
  expect(advise(null, { vlen: 0, advice: -1 })).toBe('EINVAL');
  expect(
    advise([
      [2 ** 47, 2 ** 48],
      [at(0), 2 ** 63],
    ]),
  ).toBe('EINVAL');
  expect(
    advise([
      [at(0), PAGE_SIZE],
      [at(0), 2 ** 48],
    ]),
  ).toBe('EFAULT');
  // One range alone is cut to 2 GiB before its end is looked at.
  expect(advise([[at(0), 2 ** 48]])).toBe('ENOMEM');
});

test('get_mempolicy with the largest maxnode writes nothing', () => {
  const { machine, task } = start(1);
  const { getMempolicy } = machine.sys;
  const args = {
    policy: 'good',
    nodemask: 'bad',
    maxnode: 2 ** 64 - 1,
    addr: 0,
    flags: 0,
  } as const;
  expect(getMempolicy.getMempolicy(task.struct, args).rc).toBe(0);
});

test('MREMAP_DONTUNMAP leaves two unlocked areas apart, numbered anew', () => {
  const { machine, task } = start(8, PRIVATE_ANON | LOCKED);
  const { mlock, mremap } = machine.sys;
  mlock.mlock2(task.struct, at(4), 4 * PAGE_SIZE, 1);
  const flags = MREMAP_MAYMOVE | MREMAP_FIXED | 4;
  const length = 8 * PAGE_SIZE;
  const request = { addr: at(0), oldLength: length, newLength: length, flags, newAddr: at(32) };
  expect(mremap.mremap(task.struct, request)).toBe(at(32));
  const left = task.mm.vmas.filter((vma) => vma.start < at(32) / PAGE_SIZE);
  expect(left.map((vma) => vma.end - vma.start)).toEqual([4, 4]);
  expect(left.every((vma) => vma.anonVma === null && vma.pgoff === vma.start)).toBe(true);
});

test('MREMAP_DONTUNMAP cuts a locked area and leaves a part that was never touched', () => {
  const { machine, task } = start(8);
  const first = BASE / PAGE_SIZE;
  task.mremap(first, 8, first + 100, 8);
  for (let page = 100; page < 108; page++) task.write(first + page);
  machine.sys.mlock.mlock(task.struct, at(100), 8 * PAGE_SIZE);
  const flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
  const sizes = { oldLength: 2 * PAGE_SIZE, newLength: 2 * PAGE_SIZE };
  const { mremap } = machine.sys;
  mremap.mremap(task.struct, { addr: at(103), newAddr: at(200), ...sizes, flags });
  const shape = task.mm.vmas.map(({ start: from, end, pgoff, anonVma, flags: vm }) => {
    const words = [(vm & VM_LOCKED) !== 0 ? 'locked' : 'open', anonVma ? 'touched' : 'fresh'];
    return `${from - first}-${end - first} @${pgoff - first} ${words.join(' ')}`;
  });
  expect(shape).toMatchInlineSnapshot(`
    [
      "100-103 @100 locked touched",
      "103-105 @103 open fresh",
      "105-108 @105 locked touched",
      "200-202 @103 locked touched",
    ]
  `);
  machine.verify();
});
