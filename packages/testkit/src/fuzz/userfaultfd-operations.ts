import {
  EAGAIN,
  PAGE_SIZE,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type UserfaultfdCtx,
} from '@mm-lab/mm-core';
import { type Range, randomRange } from './address-space-operations.js';
import type { FuzzOperation } from './operation.js';
import { UNKNOWN } from './side-model.js';
import { MARK_UFFD, type TaskModel } from './task-model.js';
import type { FuzzWorld } from './world.js';

const MODES = [
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
] as const;

/** The userfaultfd of a program; nobody reads it, so that what it watches is SIGBUS. */
const contexts = new WeakMap<TaskModel, UserfaultfdCtx>();

function contextOf(world: FuzzWorld, model: TaskModel): UserfaultfdCtx | null {
  const known = contexts.get(model);
  if (known !== undefined) return known;
  const { userfaultfd } = world.machine.sys;
  const opened = userfaultfd.open(model.task.struct);
  if (typeof opened === 'number') return null;
  userfaultfd.api(model.task.struct, opened, 0);
  contexts.set(model, opened);
  return opened;
}

function bytes(model: TaskModel, { start, count }: Range): { addr: number; length: number } {
  return { addr: model.vpn(start) * PAGE_SIZE, length: count * PAGE_SIZE };
}

function markAll(model: TaskModel, { start, count }: Range): void {
  for (let at = start; at < start + count; at++) if (model.isMapped(at)) model.mark(at, MARK_UFFD);
}

const register: FuzzOperation = {
  name: 'uffdRegister',
  weight: 0.2,
  run(world, model) {
    const ctx = contextOf(world, model);
    if (ctx === null) return 'not allowed';
    const range = randomRange(world, model, 64);
    const mode = world.random.pick(MODES);
    const { userfaultfd } = world.machine.sys;
    const rc = world.call(model, () => userfaultfd.register(ctx, bytes(model, range), mode));
    model.unmerged = true;
    markAll(model, range);
    return `uffdRegister(${range.start}, ${range.count}, ${mode}) = ${rc}`;
  },
};

const unregister: FuzzOperation = {
  name: 'uffdUnregister',
  weight: 0.2,
  run(world, model) {
    const ctx = contextOf(world, model);
    if (ctx === null) return 'not allowed';
    const range = randomRange(world, model, 64);
    const { userfaultfd } = world.machine.sys;
    const rc = world.call(model, () => userfaultfd.unregister(ctx, bytes(model, range)));
    if (rc === 0) {
      for (let at = range.start; at < range.start + range.count; at++) model.mark(at, ~MARK_UFFD);
    }
    return `uffdUnregister(${range.start}, ${range.count}) = ${rc}`;
  },
};

const protect: FuzzOperation = {
  name: 'uffdProtect',
  weight: 0.2,
  run(world, model) {
    const ctx = contextOf(world, model);
    if (ctx === null) return 'not allowed';
    const range = randomRange(world, model, 64);
    const mode = world.random.chance(0.6) ? UFFDIO_WRITEPROTECT_MODE_WP : 0;
    const { userfaultfd } = world.machine.sys;
    const rc = world.call(model, () => userfaultfd.writeProtect(ctx, bytes(model, range), mode));
    return `uffdProtect(${range.start}, ${range.count}, ${mode}) = ${rc}`;
  },
};

/** What a copy stored; one that ended early (-EAGAIN) stored an unknown part. */
function noteFilled(world: FuzzWorld, model: TaskModel, { start, count }: Range, rc: number): void {
  for (let at = start; at < start + count; at++) {
    if (rc === 0) model.content[at] = world.contentOf(model, at);
    else if (rc === -EAGAIN && model.content[at] === 0) model.content[at] = UNKNOWN;
  }
}

const fill: FuzzOperation = {
  name: 'uffdFill',
  weight: 0.2,
  run(world, model) {
    const ctx = contextOf(world, model);
    if (ctx === null) return 'not allowed';
    const range = randomRange(world, model, 16);
    const isCopy = world.random.chance(0.5);
    const { userfaultfd } = world.machine.sys;
    const rc = world.call(model, () => {
      return userfaultfd[isCopy ? 'copy' : 'zeropage'](ctx, bytes(model, range), 0);
    });
    if (isCopy) noteFilled(world, model, range, rc);
    return `${isCopy ? 'uffdCopy' : 'uffdZeropage'}(${range.start}, ${range.count}) = ${rc}`;
  },
};

/** A userfaultfd on the window, and its ioctls. */
export const USERFAULTFD_OPERATIONS: readonly FuzzOperation[] = [
  register,
  unregister,
  protect,
  fill,
];
