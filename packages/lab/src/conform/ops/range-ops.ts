import type { Syscalls, TaskStruct } from '@mm-lab/mm-core';
import type { JsonObject } from '../json.js';
import { ADVICES, nameOrNumber, protOf } from '../names.js';
import { returned } from '../result.js';
import { runsOf } from '../runs.js';
import type { Step } from '../step.js';
import { RANGE, type TaskOp } from './op.js';

/** What a call on a range is made of. */
interface RangeCall {
  readonly sys: Syscalls;
  readonly caller: TaskStruct;
  readonly addr: number;
  readonly length: number;
  readonly step: Step;
}

/** A call on a range that returns 0 or -errno. */
function rangeOp(fields: readonly string[], run: (call: RangeCall) => number): TaskOp {
  return {
    acts: 'task',
    fields: [...RANGE, ...fields],
    run: (step, task, guest) => {
      const range = task.rangeOrNothing(step);
      const { sys } = guest.machine;
      return returned(guest.call(task, (caller) => run({ sys, caller, ...range, step })));
    },
  };
}

export const munmapOp = rangeOp([], ({ sys, caller, addr, length }) =>
  sys.munmap.munmap(caller, addr, length),
);

export const mprotectOp = rangeOp(['prot'], ({ sys, caller, addr, length, step }) =>
  sys.mprotect.mprotect(caller, addr, length, protOf(step.text('prot', 'rw'))),
);

/** A signal that the call itself raised is what the recorder prints, instead of a result. */
export const madviseOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'advice'],
  run: (step, task, guest) => {
    const range = task.rangeOrNothing(step);
    const advice = nameOrNumber(ADVICES, step.get('advice'));
    const { struct } = task.task;
    struct.lastSignal = null;
    const { madvise } = guest.machine.sys;
    const rc = guest.call(task, (caller) =>
      madvise.madvise(caller, range.addr, range.length, advice),
    );
    if (struct.lastSignal !== null) task.knowsSignals = true;
    return signalOf(struct) ?? returned(rc);
  },
};

function signalOf({ lastSignal }: TaskStruct): JsonObject | null {
  if (lastSignal === null) return null;
  const { signal, code, lsb } = lastSignal;
  return { signal: `${signal}/${code}`, ...(lsb > 0 ? { lsb } : {}) };
}

export const mlockOp = rangeOp(['onfault'], ({ sys, caller, addr, length, step }) =>
  sys.mlock.mlock2(caller, addr, length, step.int('onfault', 0) !== 0 ? 1 : 0),
);

export const munlockOp = rangeOp([], ({ sys, caller, addr, length }) =>
  sys.mlock.munlock(caller, addr, length),
);

const MS_SYNC = 4;

export const msyncOp = rangeOp(['how'], ({ sys, caller, addr, length, step }) =>
  sys.msync.msync(caller, addr, length, step.int('how', MS_SYNC)),
);

export const mincoreOp: TaskOp = {
  acts: 'task',
  fields: RANGE,
  run: (step, task, guest) => {
    const range = task.rangeOrNothing(step);
    const vec: number[] = [];
    const { mincore } = guest.machine.sys;
    const rc = guest.call(task, (caller) => mincore.mincore(caller, range.addr, range.length, vec));
    if (rc < 0) return returned(rc);
    return { resident: vec.filter((byte) => byte !== 0).length, pages: runsOf(vec) };
  },
};
