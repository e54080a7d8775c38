import { VERSION_ZERO } from '@mm-lab/mm-core';
import { expectedOf, isUnsure, note, SIDE_BASE, type SidePage, UNKNOWN } from './side-model.js';
import type { TaskModel } from './task-model.js';
import type { FuzzWorld } from './world.js';

/** One access to a page of the side area, its verdict and contents compared with the model. */
export function sideAccess(world: FuzzWorld, model: TaskModel, at: number, write: boolean): void {
  const page = model.side.pages[at] ?? null;
  const { counts } = world.machine.engine.shadow;
  const lostBefore = counts.lostPages;
  const unsure = page !== null && isUnsure(page);
  const result = world.tryAccess(model, SIDE_BASE + at, write, 1);
  const isPoisonKept = page?.isHuge === true && result === 'SIGBUS';
  if (unsure || isPoisonKept) world.poisonSeen += counts.lostPages - lostBefore;
  if (result === 'killed') return;
  world.checks++;
  const wanted = verdict(page);
  // A page of a file that a driver lost stays poisoned.
  const mayBus = unsure || page?.isHuge === true || world.allow.loses;
  const isOverhang = result === 'ok' && wanted === 'SIGBUS' && page?.object?.kind === 'shmem';
  const isRight = result === wanted || (result === 'SIGBUS' && mayBus) || isOverhang;
  world.expect(isRight, () => `side page ${at}: ${result}, expected ${wanted}`);
  if (result !== 'ok' || page === null) return;
  compare(world, page, at, write, world.contentAt(model, SIDE_BASE + at));
}

/**
 * Behind the end of shared memory an access may be ok: a large folio that reaches over the end is
 * mapped whole (finish_fault).
 */
function verdict(page: SidePage | null): 'ok' | 'SIGSEGV' | 'SIGBUS' {
  if (page === null) return 'SIGSEGV';
  const isBehind = page.object !== null && page.index >= page.object.sizePages;
  return isBehind ? 'SIGBUS' : 'ok';
}

function compare(
  world: FuzzWorld,
  page: SidePage,
  at: number,
  write: boolean,
  found: number,
): void {
  const expected = expectedOf(page);
  if (found === UNKNOWN) {
    if (write) note(page, UNKNOWN, true);
    return;
  }
  if (write) {
    const fresh = world.allow.loses || (found > 0 && found !== expected);
    world.expect(fresh, () => `a store to side page ${at} left ${found}`);
  } else {
    const isRight =
      expected === UNKNOWN || world.sameBytes(found, expected) || mayFind(world, page, found);
    world.expect(isRight, () => `side page ${at} holds ${found}, expected ${expected}`);
  }
  // Where a private copy was lost the next fault maps what the object has.
  if (!write && world.allow.loses && page.object !== null && found !== expected) page.own = null;
  note(page, found, write);
}

/** What is left where contents may be gone; a file may have an older image on disk. */
function mayFind(world: FuzzWorld, page: SidePage, found: number): boolean {
  if (!isUnsure(page) && !world.allow.loses) return false;
  const { object, index } = page;
  if (found === VERSION_ZERO || object?.kind === 'regular') return true;
  const left = object === null ? VERSION_ZERO : object.at(index);
  return left === UNKNOWN || world.sameBytes(found, left);
}
