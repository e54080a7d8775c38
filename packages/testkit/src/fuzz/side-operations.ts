import {
  EINVAL,
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_REMOVE,
  MADV_WILLNEED,
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
import { sideAccess } from './side-access.js';
import { SharedObject, SIDE_BASE, SIDE_PAGES, type SidePage } from './side-model.js';
import type { TaskModel } from './task-model.js';
import type { FuzzWorld, WorldFile } from './world.js';

const HUGE_PAGES = 512;
const TOUCHED_MAX = 128;
const ANON = MAP_FIXED | MAP_ANONYMOUS;
const FILE_OFFSETS = 64;
const KINDS = [
  ANON | MAP_PRIVATE,
  ANON | MAP_PRIVATE | MAP_NORESERVE,
  ANON | MAP_SHARED,
  ANON | MAP_SHARED | MAP_HUGETLB,
  ANON | MAP_PRIVATE | MAP_HUGETLB,
  MAP_FIXED | MAP_SHARED,
  MAP_FIXED | MAP_SHARED,
  MAP_FIXED | MAP_PRIVATE,
] as const;
const ADVICES = [
  MADV_DONTNEED,
  MADV_FREE,
  MADV_REMOVE,
  MADV_HUGEPAGE,
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_COLLAPSE,
  MADV_MERGEABLE,
  MADV_WILLNEED,
  MADV_POPULATE_READ,
] as const;

interface SideRange {
  readonly start: number;
  readonly count: number;
}

/** Pages of the side area; whole huge pages every other time. */
function sideRange(world: FuzzWorld): SideRange {
  const unit = world.random.chance(0.5) ? HUGE_PAGES : 1;
  const start = unit * world.random.below(SIDE_PAGES / unit);
  const wanted = unit * (1 + world.random.below(unit === 1 ? 128 : 2));
  return { start, count: Math.min(wanted, SIDE_PAGES - start) };
}

function bytes({ start, count }: SideRange): { addr: number; length: number } {
  return { addr: (SIDE_BASE + start) * PAGE_SIZE, length: count * PAGE_SIZE };
}

const sideMmap: FuzzOperation = {
  name: 'sideMmap',
  run(world, model) {
    const { machine, random } = world;
    const range = sideRange(world);
    const flags = random.pick(KINDS);
    const file = (flags & MAP_ANONYMOUS) === 0 ? random.pick(world.openFiles()) : null;
    const first = file === null ? 0 : random.below(FILE_OFFSETS);
    const request = {
      ...bytes(range),
      prot: PROT_READ | PROT_WRITE,
      flags,
      file: file?.open ?? null,
      offset: first * PAGE_SIZE,
    };
    const rc = world.call(model, (struct) => machine.sys.mmap.mmap(struct, request));
    if (rc >= 0) mapModel(world, model, range, { flags, file, first });
    return `sideMmap(${range.start}, ${range.count}, ${flags}, ${first}) = ${rc}`;
  },
};

interface Mapped {
  readonly flags: number;
  readonly file: WorldFile | null;
  readonly first: number;
}

function mapModel(world: FuzzWorld, model: TaskModel, range: SideRange, mapped: Mapped): void {
  const { flags, file, first } = mapped;
  const isHuge = (flags & MAP_HUGETLB) !== 0;
  const isShared = (flags & MAP_SHARED) !== 0;
  const count = isHuge ? Math.ceil(range.count / HUGE_PAGES) * HUGE_PAGES : range.count;
  const fresh = isShared ? new SharedObject(isHuge ? 'huge' : 'shmem', count) : null;
  const object = file?.object ?? fresh;
  const mapping = world.mappingNext++;
  const state = { object, isShared, isHuge, mapping, own: null, isLazy: false, isUnsure: false };
  for (let at = 0; at < count && range.start + at < SIDE_PAGES; at++) {
    model.side.pages[range.start + at] = { ...state, index: first + at };
  }
}

const sideMadvise: FuzzOperation = {
  name: 'sideMadvise',
  run(world, model) {
    const { start, count: most } = sideRange(world);
    const count = model.side.run(start, most);
    if (count === 0) return 'nothing is mapped there';
    const advice = world.random.pick(ADVICES);
    if (advice === MADV_MERGEABLE && !world.mayMerge) return 'no merging here';
    if (advice === MADV_MERGEABLE) world.merges = true;
    const { addr, length } = bytes({ start, count });
    const { madvise } = world.machine.sys;
    const rc = world.call(model, (struct) => madvise.madvise(struct, addr, length, advice));
    if (rc === 0) adviseModel(model, { start, count }, advice);
    else if (advice === MADV_DONTNEED) {
      const isHuge = model.side.pages[start]?.isHuge === true;
      world.expect(isHuge && rc === -EINVAL, () => `MADV_DONTNEED returned ${rc}`);
    }
    return `sideMadvise(${start}, ${count}, ${advice}) = ${rc}`;
  },
};

function adviseModel(model: TaskModel, { start, count }: SideRange, advice: number): void {
  const isHuge = model.side.pages[start]?.isHuge === true;
  // MADV_DONTNEED of a part of a huge page leaves it, MADV_REMOVE writes zeroes to the part.
  const isRoundedDown = isHuge && advice !== MADV_REMOVE;
  const end = isRoundedDown ? start + count - ((start + count) % HUGE_PAGES) : start + count;
  for (const page of model.side.pages.slice(start, end)) {
    if (page === null) continue;
    if (advice === MADV_DONTNEED) discard(page);
    if (advice === MADV_FREE) page.isLazy = true;
    if (advice === MADV_REMOVE) page.object?.drop(page.index, page.index + 1);
  }
}

function discard(page: SidePage): void {
  page.own = null;
  page.isLazy = false;
  page.isUnsure = false;
}

const sideMunmap: FuzzOperation = {
  name: 'sideMunmap',
  weight: 0.5,
  run(world, model) {
    const { start, count } = sideRange(world);
    const rc = model.task.munmap(SIDE_BASE + start, count);
    if (rc === 0) model.side.unmap(start, count);
    return `sideMunmap(${start}, ${count}) = ${rc}`;
  },
};

const sideTouch: FuzzOperation = {
  name: 'sideTouch',
  weight: 4,
  run(world, model) {
    const { start, count } = sideRange(world);
    const pages = Math.min(count, TOUCHED_MAX);
    const writes = world.random.pick([0, 0.5, 1]);
    for (let at = start; at < start + pages && model.task.alive; at++) {
      sideAccess(world, model, at, world.random.chance(writes));
    }
    return `sideTouch(${start}, ${pages}, writes ${writes})`;
  },
};

/** System calls on memory beside the window: shared, of files, huge. */
export const SIDE_OPERATIONS: readonly FuzzOperation[] = [
  sideMmap,
  sideMadvise,
  sideMunmap,
  sideTouch,
];
