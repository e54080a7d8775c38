import {
  MADV_COLD,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '@mm-lab/mm-core';
import type { FuzzOperation } from './operation.js';
import type { FuzzWorld } from './world.js';

/** First page and pages of the side area, out of reach of the window of `TaskModel`. */
const SIDE_BASE = 2 ** 30;
const SIDE_PAGES = 2048;
const HUGE_PAGES = 512;

const ANON = MAP_FIXED | MAP_ANONYMOUS;
const KINDS = [
  ANON | MAP_PRIVATE,
  ANON | MAP_PRIVATE | MAP_NORESERVE,
  ANON | MAP_SHARED,
  ANON | MAP_SHARED | MAP_HUGETLB,
  ANON | MAP_PRIVATE | MAP_HUGETLB,
] as const;
const ADVICES = [MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_COLD, MADV_PAGEOUT] as const;

/** Bytes of the side area; whole huge pages every other time. */
function sideRange(world: FuzzWorld): { addr: number; length: number } {
  const unit = world.random.chance(0.5) ? HUGE_PAGES : 1;
  const start = unit * world.random.below(SIDE_PAGES / unit);
  const wanted = unit * (1 + world.random.below(unit === 1 ? 128 : 2));
  const pages = Math.min(wanted, SIDE_PAGES - start);
  return { addr: (SIDE_BASE + start) * PAGE_SIZE, length: pages * PAGE_SIZE };
}

const sideMmap: FuzzOperation = {
  name: 'sideMmap',
  run(world, { task }) {
    const { machine, random } = world;
    const range = sideRange(world);
    const flags = random.pick(KINDS);
    machine.work.runAs(task.struct);
    const prot = PROT_READ | PROT_WRITE;
    const rc = machine.sys.mmap.mmap(task.struct, { ...range, prot, flags });
    machine.spend();
    return `sideMmap(${range.addr}, ${range.length}, flags ${flags}) = ${rc}`;
  },
};

const sideMadvise: FuzzOperation = {
  name: 'sideMadvise',
  run(world, { task }) {
    const { machine, random } = world;
    const { addr, length } = sideRange(world);
    const advice = random.pick(ADVICES);
    machine.work.runAs(task.struct);
    const rc = machine.sys.madvise.madvise(task.struct, addr, length, advice);
    machine.spend();
    return `sideMadvise(${addr}, ${length}, ${advice}) = ${rc}`;
  },
};

const sideMunmap: FuzzOperation = {
  name: 'sideMunmap',
  weight: 0.5,
  run(world, { task }) {
    const { addr, length } = sideRange(world);
    const rc = task.munmap(addr / PAGE_SIZE, length / PAGE_SIZE);
    return `sideMunmap(${addr}, ${length}) = ${rc}`;
  },
};

/**
 * Touches the side area. Only the machine's own shadow judges what is read, and what advice or
 * poison took away counts as seen.
 */
const sideTouch: FuzzOperation = {
  name: 'sideTouch',
  weight: 4,
  run(world, { task }) {
    const { machine, random } = world;
    const { addr, length } = sideRange(world);
    const { counts } = machine.engine.shadow;
    const lostBefore = counts.lostPages;
    const pages = Math.min(length / PAGE_SIZE, 128);
    const writes = random.pick([0, 0.5, 1]);
    for (let at = 0; at < pages && task.alive; at++) {
      task.access(addr / PAGE_SIZE + at, random.chance(writes));
    }
    world.poisonSeen += counts.lostPages - lostBefore;
    return `sideTouch(${addr}, ${pages} pages, writes ${writes})`;
  },
};

/** System calls by bytes on memory that no `TaskModel` follows: shared, huge, freed lazily. */
export const SIDE_OPERATIONS: readonly FuzzOperation[] = [
  sideMmap,
  sideMadvise,
  sideMunmap,
  sideTouch,
];
