import { expect, test } from 'vitest';
import { UFFDIO_COPY_MODE_WP, UFFDIO_REGISTER_MODE_MINOR } from '../../src/abi/userfaultfd.js';
import {
  EEXIST,
  EFAULT,
  MADV_DONTNEED,
  type Machine,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  type Task,
  UFFD_EVENT_FORK,
  UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type UffdMsg,
  type UserfaultfdCtx,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const FIRST = 64;
const VM_RW = vmFlags(PROT_READ | PROT_WRITE) | VM_MAYREAD | VM_MAYWRITE;
const EVENTS =
  UFFD_FEATURE_EVENT_FORK |
  UFFD_FEATURE_EVENT_REMAP |
  UFFD_FEATURE_EVENT_REMOVE |
  UFFD_FEATURE_EVENT_UNMAP;

function bytes(start: number, count: number) {
  return { addr: start * PAGE_SIZE, length: count * PAGE_SIZE };
}

function open(machine: Machine, task: Task, features: number): UserfaultfdCtx {
  const { userfaultfd } = machine.sys;
  const ctx = userfaultfd.open(task.struct);
  if (typeof ctx === 'number') throw new Error('userfaultfd');
  expect(userfaultfd.api(task.struct, ctx, features)).toBe(0);
  return ctx;
}

function textOf(msg: UffdMsg): string {
  switch (msg.event) {
    case UFFD_EVENT_PAGEFAULT:
      return `fault ${msg.vpn} flags ${msg.flags}`;
    case UFFD_EVENT_FORK:
      return 'fork';
    case UFFD_EVENT_REMAP:
      return `remap ${msg.from} to ${msg.to} pages ${msg.pages}`;
    default:
      return `${msg.event === UFFD_EVENT_REMOVE ? 'remove' : 'unmap'} ${msg.start}-${msg.end}`;
  }
}

test('a reader fills what is missing and frees what is protected, and the faults are major', () => {
  const nodes = [
    { id: 0, pages: 1024, cpus: 1 },
    { id: 1, pages: 1024, cpus: 1 },
  ];
  const machine = machineOf({ nodes });
  const { userfaultfd } = machine.sys;
  const pager = machine.createTask('pager', 1);
  const task = machine.createTask('t');
  task.mmap(FIRST, 4);
  const ctx = open(machine, task, 0);
  userfaultfd.register(
    ctx,
    bytes(FIRST, 4),
    UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
  );
  const unread = task.write(FIRST);
  const seen: string[] = [];
  userfaultfd.read(ctx, (msg) => {
    seen.push(textOf(msg));
    if (msg.event !== UFFD_EVENT_PAGEFAULT) return;
    machine.work.runAs(pager.struct);
    const page = bytes(msg.vpn, 1);
    if ((msg.flags & UFFD_PAGEFAULT_FLAG_WP) !== 0) userfaultfd.writeProtect(ctx, page, 0);
    else userfaultfd.copy(ctx, page, UFFDIO_COPY_MODE_WP);
  });
  expect([unread, task.read(FIRST), task.write(FIRST), task.write(FIRST + 1)]).toEqual([
    'SIGBUS',
    'ok',
    'ok',
    'ok',
  ]);
  expect(seen).toEqual([
    'fault 64 flags 0',
    'fault 64 flags 3',
    'fault 65 flags 1',
    'fault 65 flags 3',
  ]);
  expect({ ...task.where([FIRST, FIRST + 1]), major: task.struct.majFlt }).toEqual({
    0: 1,
    1: 1,
    major: 3,
  });
  expect(machine.work.current).toBe(task.struct);
  machine.verify();
});

test('a faulting task sleeps until a slower reader has filled the page', () => {
  const machine = machineOf();
  const { userfaultfd } = machine.sys;
  const task = machine.createTask('t');
  task.mmap(FIRST, 2);
  const ctx = open(machine, task, 0);
  userfaultfd.register(ctx, bytes(FIRST, 2), UFFDIO_REGISTER_MODE_MISSING);
  userfaultfd.read(ctx, (msg) => {
    if (msg.event !== UFFD_EVENT_PAGEFAULT || msg.vpn > FIRST) return;
    machine.clock.after(5_000_000, () => {
      userfaultfd.zeropage(ctx, bytes(msg.vpn, 1), 0);
    });
  });
  const before = machine.clock.now;
  expect([task.read(FIRST), task.read(FIRST + 1)]).toEqual(['ok', 'SIGBUS']);
  expect(machine.clock.now - before).toBeGreaterThan(5_000_000);
  machine.verify();
});

test('fork, remap, remove and unmap are told to who asked for them', () => {
  const machine = machineOf();
  const { userfaultfd } = machine.sys;
  const task = machine.createTask('t');
  task.mmap(FIRST, 4);
  for (let at = 0; at < 4; at++) task.write(FIRST + at);
  const ctx = open(machine, task, EVENTS);
  userfaultfd.register(ctx, bytes(FIRST, 4), UFFDIO_REGISTER_MODE_WP);
  userfaultfd.writeProtect(ctx, bytes(FIRST, 4), UFFDIO_WRITEPROTECT_MODE_WP);
  const seen: string[] = [];
  const childFaults: string[] = [];
  userfaultfd.read(ctx, (msg) => {
    seen.push(textOf(msg));
    if (msg.event !== UFFD_EVENT_FORK) return;
    const { ufd } = msg;
    userfaultfd.read(ufd, (fault) => {
      childFaults.push(textOf(fault));
      if (fault.event !== UFFD_EVENT_PAGEFAULT) return;
      userfaultfd.writeProtect(ufd, bytes(fault.vpn, 1), 0);
    });
  });
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  machine.verify();
  expect([child.write(FIRST), childFaults]).toEqual(['ok', ['fault 64 flags 3']]);
  task.mremap(FIRST, 4, 200, 4);
  const kept = machine.proc.pagemap.read(task.mm, 200).uffdWp;
  task.madvise(200, 1, MADV_DONTNEED);
  task.munmap(201, 2);
  child.exit();
  task.exit();
  expect({ kept, seen }).toEqual({
    kept: true,
    seen: ['fork', 'remap 64 to 200 pages 4', 'unmap 64-68', 'remove 200-201', 'unmap 201-203'],
  });
  machine.verify();
});

test('CONTINUE maps what the file has, and POISON answers with a signal', () => {
  const machine = machineOf();
  const { userfaultfd } = machine.sys;
  const file = machine.files.create('shmem', 'f', 4 * PAGE_SIZE);
  const writer = machine.createTask('writer');
  const task = machine.createTask('t');
  const flags = VM_RW | VM_SHARED | VM_MAYSHARE;
  task.struct.onPoison = 'signal';
  machine.mmap.mmap(writer.mm, FIRST, 4, flags, { file, pgoff: 0 });
  machine.mmap.mmap(task.mm, FIRST, 4, flags, { file, pgoff: 0 });
  writer.write(FIRST);
  const ctx = open(machine, task, 0);
  userfaultfd.register(
    ctx,
    bytes(FIRST, 4),
    UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
  );
  const seen: string[] = [];
  userfaultfd.read(ctx, (msg) => {
    seen.push(textOf(msg));
    if (msg.event !== UFFD_EVENT_PAGEFAULT) return;
    const isMinor = (msg.flags & UFFD_PAGEFAULT_FLAG_MINOR) !== 0;
    if (isMinor) userfaultfd.continue(ctx, bytes(msg.vpn, 1), 0);
    else userfaultfd.poison(ctx, bytes(msg.vpn, 1), 0);
  });
  expect([
    userfaultfd.continue(ctx, bytes(FIRST + 1, 1), 0),
    task.read(FIRST),
    task.read(FIRST + 1),
    userfaultfd.poison(ctx, bytes(FIRST + 1, 1), 0),
    seen,
  ]).toEqual([-EFAULT, 'ok', 'SIGBUS', -EEXIST, ['fault 64 flags 4', 'fault 65 flags 0']]);
  machine.verify();
});
