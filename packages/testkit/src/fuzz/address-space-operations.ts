import {
  EAGAIN,
  EFAULT,
  EINTR,
  EINVAL,
  ENOMEM,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  VM_DONTCOPY,
  VM_GROWSDOWN,
  VM_HUGEPAGE,
  VM_LOCKED,
} from '@mm-lab/mm-core';
import type { FuzzOperation } from './operation.js';
import { MARK_UFFD, type TaskModel, WINDOW_PAGES } from './task-model.js';
import type { FuzzWorld } from './world.js';

const RW = PROT_READ | PROT_WRITE;
const PROTS = [PROT_NONE, PROT_READ, RW, RW, RW | PROT_EXEC, PROT_WRITE, PROT_EXEC] as const;
const EXTRAS = [0, 0, 0, VM_HUGEPAGE, VM_HUGEPAGE, VM_GROWSDOWN, VM_DONTCOPY] as const;

/** Tries to start a range where something is mapped. */
const AIMS = 4;

/** A part of the window. */
export interface Range {
  readonly start: number;
  readonly count: number;
}

/** A random range, most often where something is mapped; most are small. */
export function randomRange(world: FuzzWorld, model: TaskModel, most: number): Range {
  let start = world.random.below(WINDOW_PAGES);
  for (let at = 0; at < AIMS && !model.isMapped(start); at++) {
    start = world.random.below(WINDOW_PAGES);
  }
  const wanted = 1 + world.random.below(2 ** (1 + world.random.below(Math.log2(most))));
  return { start, count: Math.min(wanted, WINDOW_PAGES - start) };
}

function expectRc(world: FuzzWorld, call: string, rc: number, expected: number): string {
  world.expect(rc === expected, () => `${call} returned ${rc}, expected ${expected}`);
  return call;
}

const mmap: FuzzOperation = {
  name: 'mmap',
  always: true,
  run(world, model) {
    const start = world.random.below(WINDOW_PAGES);
    const count = Math.min(1 + world.random.below(512), WINDOW_PAGES - start);
    const prot = world.random.chance(0.7) ? RW : world.random.pick(PROTS);
    const extra = world.random.pick(EXTRAS);
    const rc = model.task.mmap(model.vpn(start), count, prot, extra);
    model.map(start, count, prot, extra);
    return expectRc(world, `mmap(${start}, ${count}, ${prot}, ${extra})`, rc, 0);
  },
};

const munmap: FuzzOperation = {
  name: 'munmap',
  weight: 0.5,
  run(world, model) {
    const { start, count } = randomRange(world, model, 256);
    const rc = model.task.munmap(model.vpn(start), count);
    model.unmap(start, count);
    return expectRc(world, `munmap(${start}, ${count})`, rc, 0);
  },
};

const mprotect: FuzzOperation = {
  name: 'mprotect',
  run(world, model) {
    const { start, count } = randomRange(world, model, 256);
    const prot = world.random.pick(PROTS);
    const rc = model.task.mprotect(model.vpn(start), count, prot);
    const expected = model.protect(start, count, prot) ? 0 : -ENOMEM;
    return expectRc(world, `mprotect(${start}, ${count}, ${prot})`, rc, expected);
  },
};

const mremap: FuzzOperation = {
  name: 'mremap',
  run(world, model) {
    const { start, count } = randomRange(world, model, 128);
    if (isWatched(model, start, count)) return 'not what a userfaultfd watches';
    const target = randomRange(world, model, 128);
    const to = world.random.chance(0.3) ? start : target.start;
    const newCount = Math.min(target.count, WINDOW_PAGES - to);
    const rc = model.task.mremap(model.vpn(start), count, model.vpn(to), newCount);
    const call = `mremap(${start}, ${count}, ${to}, ${newCount})`;
    if (rc === -EFAULT && model.unmerged) return `${call} of several areas`;
    return expectRc(world, call, rc, mremapModel(model, start, count, to, newCount));
  },
};

/** Several areas, one of them watched: some of them move before the call fails. */
function isWatched(model: TaskModel, start: number, count: number): boolean {
  for (let at = start; at < start + count; at++) if (model.marked(at, MARK_UFFD)) return true;
  return false;
}

function mremapModel(
  model: TaskModel,
  start: number,
  count: number,
  to: number,
  newCount: number,
): number {
  const isFixed = to !== start;
  if (isFixed && to < start + count && start < to + newCount) return -EINVAL;
  if (!model.isMapped(start)) return -EFAULT;
  if (isFixed && newCount === count) {
    model.moveAll(start, count, to);
    return 0;
  }
  const needed = isFixed ? Math.min(count, newCount) : count;
  const mustBeOne = isFixed || newCount > count;
  if (mustBeOne && !model.isOneVma(start, needed)) return -EFAULT;
  if (isFixed) {
    model.move(start, count, to, newCount);
    return 0;
  }
  for (let at = start + count; at < start + newCount; at++) if (model.isMapped(at)) return -ENOMEM;
  if (newCount < count) model.unmap(start + newCount, count - newCount);
  else model.grow(start, count, newCount);
  return 0;
}

const madvise: FuzzOperation = {
  name: 'madvise',
  run(world, model) {
    const { start, count } = randomRange(world, model, 256);
    const advice = world.random.pick([MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT]);
    const rc = model.task.madvise(model.vpn(start), count, advice);
    const expected = madviseModel(model, start, count, advice);
    return expectRc(world, `madvise(${start}, ${count}, ${advice})`, rc, expected);
  },
};

function madviseModel(model: TaskModel, start: number, count: number, advice: number): number {
  let hole = false;
  for (let at = start; at < start + count; at++) {
    if (model.isLocked(at)) return -EINVAL;
    if (!model.isMapped(at)) hole = true;
    else if (advice === MADV_DONTNEED) model.drop(at, 1);
  }
  return hole ? -ENOMEM : 0;
}

const mlock: FuzzOperation = {
  name: 'mlock',
  run(world, model) {
    const { start, count } = randomRange(world, model, 32);
    const rc = model.task.mlock(model.vpn(start), count);
    const whole = model.lock(start, count, VM_LOCKED);
    const killed = rc === -EINTR && world.machine.oom.isVictim(model.task.mm.id);
    const short = rc === -ENOMEM || rc === -EAGAIN || killed;
    const right = short || (whole && rc === 0);
    world.expect(right, () => `mlock(${start}, ${count}) returned ${rc}`);
    return `mlock(${start}, ${count})`;
  },
};

const munlock: FuzzOperation = {
  name: 'munlock',
  run(world, model) {
    const { start, count } = randomRange(world, model, 256);
    const rc = model.task.munlock(model.vpn(start), count);
    const whole = model.lock(start, count, 0);
    return expectRc(world, `munlock(${start}, ${count})`, rc, whole ? 0 : -ENOMEM);
  },
};

const fork: FuzzOperation = {
  name: 'fork',
  run(world, model) {
    if (!world.mayFork()) return 'no room';
    const child = model.task.fork('child');
    if (typeof child === 'number') return `fork() = ${child}`;
    world.models.push(model.fork(child));
    return `fork() = ${child.mm.id}`;
  },
};

const exit: FuzzOperation = {
  name: 'exit',
  weight: 0.2,
  run(world, model) {
    if (world.models.length === 1 && world.random.chance(0.9)) return 'the last one stays';
    model.task.exit();
    return `exit() of ${model.task.mm.id}`;
  },
};

/** System calls that change an address space. */
export const ADDRESS_SPACE_OPERATIONS: readonly FuzzOperation[] = [
  mmap,
  munmap,
  mprotect,
  mremap,
  madvise,
  mlock,
  munlock,
  fork,
  exit,
];
