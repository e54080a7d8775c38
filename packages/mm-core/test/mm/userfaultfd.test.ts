import { expect, test } from 'vitest';
import {
  diskSwap,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  EPERM,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Machine,
  PAGE_SIZE,
  PROT_READ,
  plainCreds,
  type Task,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_WP_UNPOPULATED,
  type UserfaultfdCtx,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const PAGES = 6;
const FIRST = 64;
const RANGE = pages(0, PAGES);
const MISSING = 1;
const WP = 2;

function pages(start: number, count: number) {
  return { addr: (FIRST + start) * PAGE_SIZE, length: count * PAGE_SIZE };
}

function open(machine: Machine, task: Task): UserfaultfdCtx {
  const { userfaultfd } = machine.sys;
  const ctx = userfaultfd.open(task.struct);
  if (typeof ctx === 'number') throw new Error('userfaultfd');
  userfaultfd.api(task.struct, ctx, UFFD_FEATURE_SIGBUS | UFFD_FEATURE_WP_UNPOPULATED);
  return ctx;
}

/** What a store to each page comes to: `.` stored, `!` a signal. */
function stores(task: Task, start = FIRST): string {
  const vpns = Array.from({ length: PAGES }, (_, at) => start + at);
  return vpns.map((vpn) => (task.write(vpn) === 'ok' ? '.' : '!')).join('');
}

function protectedPages(machine: Machine, task: Task): string {
  const vpns = Array.from({ length: PAGES }, (_, at) => FIRST + at);
  return vpns.map((vpn) => (machine.proc.pagemap.read(task.mm, vpn).uffdWp ? 1 : 0)).join('');
}

test('protection outlives swap and ends with the child, a move and DONTNEED', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const { userfaultfd } = machine.sys;
  const task = machine.createTask('t');
  task.mmap(FIRST, PAGES);
  for (let at = 0; at < 4; at++) task.write(FIRST + at);
  const ctx = open(machine, task);
  userfaultfd.register(ctx, RANGE, WP);
  userfaultfd.writeProtect(ctx, pages(2, 4), WP_ON);
  const seen = { fresh: protectedPages(machine, task), swapped: '', stored: '', child: '' };
  task.madvise(FIRST, PAGES, MADV_PAGEOUT);
  seen.swapped = protectedPages(machine, task);
  machine.verify();
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  seen.stored = stores(task);
  seen.child = stores(child);
  machine.verify();
  task.madvise(FIRST + 2, 1, MADV_DONTNEED);
  const zapped = stores(task);
  task.mremap(FIRST, PAGES, 200, PAGES);
  machine.verify();
  expect({ ...seen, zapped, moved: stores(task, 200) }).toEqual({
    fresh: '001111',
    swapped: '001111',
    stored: '..!!!!',
    child: '......',
    zapped: '...!!!',
    moved: '......',
  });
  userfaultfd.close(ctx);
  machine.verify();
});

test('missing pages are filled by the user alone; protection is not dropped', () => {
  const machine = machineOf();
  const { userfaultfd } = machine.sys;
  const task = machine.createTask('t');
  task.mmap(FIRST, PAGES);
  const ctx = open(machine, task);
  expect([
    userfaultfd.register(ctx, RANGE, MISSING),
    stores(task),
    userfaultfd.copy(ctx, pages(0, 2), 0),
    userfaultfd.copy(ctx, pages(1, 1), 0),
    userfaultfd.copy(ctx, pages(2, 1), WP),
    userfaultfd.zeropage(ctx, pages(2, 1), 0),
    stores(task),
    userfaultfd.writeProtect(ctx, RANGE, WP_ON),
    userfaultfd.register(ctx, RANGE, MISSING | WP),
    userfaultfd.copy(ctx, pages(3, 1), WP),
    stores(task),
    userfaultfd.register(ctx, RANGE, MISSING),
    userfaultfd.unregister(ctx, RANGE),
    stores(task),
  ]).toEqual([
    0,
    '!!!!!!',
    0,
    -EEXIST,
    -EINVAL,
    0,
    '...!!!',
    -ENOENT,
    0,
    0,
    '...!!!',
    -EBUSY,
    0,
    '......',
  ]);
  machine.verify();
});

test('arguments are refused in the order of the kernel', () => {
  const machine = machineOf();
  const { userfaultfd, processMadvise } = machine.sys;
  const task = machine.createTask('t');
  task.mmap(FIRST, PAGES, PROT_READ);
  for (let at = 0; at < PAGES; at++) task.read(FIRST + at);
  const ctx = open(machine, task);
  const unknown = userfaultfd.api(task.struct, ctx, 2 ** 20);
  const plain = machine.createTask('plain').struct;
  plain.creds = plainCreds(1000);
  const forbidden = userfaultfd.api(plain, ctx, UFFD_FEATURE_EVENT_FORK | (2 ** 20));
  const low = userfaultfd.copy(ctx, { addr: 0, length: PAGE_SIZE }, 0);
  const advised = processMadvise.processMadvise(task.struct, {
    target: task.struct,
    ranges: [{ addr: -PAGE_SIZE, length: PAGE_SIZE }],
    advice: MADV_DONTNEED,
    flags: 0,
  });
  const unregistered = userfaultfd.copy(ctx, RANGE, 0);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  const inherited = machine.proc.pagemap.read(child.mm, FIRST).present;
  expect({ unknown, forbidden, low, advised, unregistered, inherited }).toEqual({
    unknown: -EINVAL,
    forbidden: -EPERM,
    low: -ENOENT,
    advised: -EFAULT,
    unregistered: -ENOENT,
    inherited: true,
  });
});

const WP_ON = 1;
