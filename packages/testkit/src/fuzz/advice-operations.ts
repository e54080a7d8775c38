import {
  EINVAL,
  ENOMEM,
  MADV_COLLAPSE,
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_GUARD_REMOVE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_SOFT_OFFLINE,
  MADV_UNMERGEABLE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  VM_DONTCOPY,
  VM_HUGEPAGE,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_WIPEONFORK,
} from '@mm-lab/mm-core';
import { randomRange } from './address-space-operations.js';
import type { FuzzOperation } from './operation.js';
import { MARK_GUARD, MARK_LAZY, type TaskModel } from './task-model.js';

/** Frames that soft offlining may take from a machine. */
const OFFLINED_MAX = 32;

/** What an advice does to the model, page by page. */
interface Effect {
  readonly advice: number;
  /** May refuse a page that is locked, and ends there. */
  readonly refusesLocked?: boolean;
  /** Its answer depends on what the model does not know, such as free memory. */
  readonly mayFail?: boolean;
  readonly page?: (model: TaskModel, at: number) => void;
}

const flags = (set: number, clear: number) => (model: TaskModel, at: number) =>
  model.change(at, set, clear);

const EFFECTS: Readonly<Record<string, Effect>> = {
  free: { advice: MADV_FREE, refusesLocked: true, page: (model, at) => model.mark(at, MARK_LAZY) },
  dontneedLocked: { advice: MADV_DONTNEED_LOCKED, page: (model, at) => model.drop(at, 1) },
  hugepage: { advice: MADV_HUGEPAGE, page: flags(VM_HUGEPAGE, VM_NOHUGEPAGE) },
  nohugepage: { advice: MADV_NOHUGEPAGE, page: flags(VM_NOHUGEPAGE, VM_HUGEPAGE) },
  collapse: { advice: MADV_COLLAPSE, mayFail: true },
  mergeable: { advice: MADV_MERGEABLE, page: flags(VM_MERGEABLE, 0) },
  unmergeable: { advice: MADV_UNMERGEABLE, mayFail: true, page: flags(0, VM_MERGEABLE) },
  dontfork: { advice: MADV_DONTFORK, page: flags(VM_DONTCOPY, 0) },
  dofork: { advice: MADV_DOFORK, page: flags(0, VM_DONTCOPY) },
  wipeonfork: { advice: MADV_WIPEONFORK, page: flags(VM_WIPEONFORK, 0) },
  keeponfork: { advice: MADV_KEEPONFORK, page: flags(0, VM_WIPEONFORK) },
  random: { advice: MADV_RANDOM, page: flags(VM_RAND_READ, 0) },
  willneed: { advice: MADV_WILLNEED, mayFail: true },
  populateRead: { advice: MADV_POPULATE_READ, mayFail: true },
  populateWrite: { advice: MADV_POPULATE_WRITE, mayFail: true },
  guardInstall: {
    advice: MADV_GUARD_INSTALL,
    refusesLocked: true,
    page: (model, at) => {
      model.drop(at, 1);
      model.mark(at, MARK_GUARD);
    },
  },
  guardRemove: { advice: MADV_GUARD_REMOVE, page: (model, at) => model.mark(at, ~MARK_GUARD) },
};

function adviseOperation(name: string, effect: Effect): FuzzOperation {
  return {
    name,
    weight: 0.4,
    run(world, model) {
      const { start, count } = randomRange(world, model, 256);
      if (effect.advice === MADV_MERGEABLE) world.merges = true;
      model.unmerged = true;
      const rc = model.task.madvise(model.vpn(start), count, effect.advice);
      const expected = applyEffect(model, effect, start, start + count);
      const isKilled = world.machine.oom.isVictim(model.task.mm.id);
      const right = rc === expected || effect.mayFail === true || isKilled;
      const call = `madvise(${start}, ${count}, ${name}) = ${rc}`;
      world.expect(right, () => `${call}, expected ${expected}`);
      return call;
    },
  };
}

/** @returns what the call must return */
function applyEffect(model: TaskModel, effect: Effect, start: number, end: number): number {
  let holes = 0;
  for (let at = start; at < end; at++) {
    if (!model.isMapped(at)) holes = -ENOMEM;
    else if (effect.refusesLocked === true && model.isLocked(at)) return -EINVAL;
    else effect.page?.(model, at);
  }
  return holes;
}

const softOffline: FuzzOperation = {
  name: 'softOffline',
  weight: 0.3,
  run(world, model) {
    if (world.offlined >= OFFLINED_MAX) return 'enough offlined';
    const { start, count } = randomRange(world, model, 4);
    world.offlined += count;
    const rc = model.task.madvise(model.vpn(start), count, MADV_SOFT_OFFLINE);
    return `softOffline(${start}, ${count}) = ${rc}`;
  },
};

/** Every madvise that the window's model follows, beside those of `madvise`. */
export const ADVICE_OPERATIONS: readonly FuzzOperation[] = [
  ...Object.entries(EFFECTS).map(([name, effect]) => adviseOperation(name, effect)),
  softOffline,
];
