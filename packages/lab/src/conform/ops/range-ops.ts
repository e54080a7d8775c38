import type { GuestTask, Range } from '../guest.js';
import { ADVICES, nameOrNumber, protOf } from '../names.js';
import { NO_REGION, returned } from '../result.js';
import type { Step } from '../step.js';
import { pagesIn } from './frames.js';
import { RANGE, type TaskOp } from './op.js';

/** A call on a range that returns 0 or -errno. */
function rangeOp(
  fields: readonly string[],
  call: (task: GuestTask, range: Range, step: Step) => number,
): TaskOp {
  return {
    acts: 'task',
    fields: [...RANGE, ...fields],
    run: (step, task) => {
      const range = task.range(step);
      return range === undefined ? NO_REGION : returned(call(task, range, step));
    },
  };
}

export const munmapOp = rangeOp([], (task, range) => {
  const { first, count } = pagesIn(range);
  return task.task.munmap(first, count);
});

export const mprotectOp = rangeOp(['prot'], (task, range, step) => {
  const { first, count } = pagesIn(range);
  return task.task.mprotect(first, count, protOf(step.text('prot', 'rw')));
});

/** Poison that the call injects may signal its task, which then never sees the result. */
export const madviseOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'advice'],
  run: (step, task) => {
    const range = task.range(step);
    if (range === undefined) return NO_REGION;
    const { struct } = task.task;
    const { first, count } = pagesIn(range);
    struct.takeSignal();
    const rc = task.task.madvise(first, count, nameOrNumber(ADVICES, step.get('advice')));
    const info = struct.takeSignal();
    if (info === null) return returned(rc);
    const lsb = info.lsb === 0 ? {} : { lsb: info.lsb };
    return { signal: `${info.signal}/${info.code}`, ...lsb };
  },
};

export const mlockOp = rangeOp([], (task, range) => {
  const { first, count } = pagesIn(range);
  return task.task.mlock(first, count);
});

export const munlockOp = rangeOp([], (task, range) => {
  const { first, count } = pagesIn(range);
  return task.task.munlock(first, count);
});
