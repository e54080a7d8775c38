import { NO_REGION, returned } from '../result.js';
import { RANGE, type TaskOp } from './op.js';

/** A long-term pin by a registered buffer; `unpin` closes the ring and lets some time pass. */
export const pinOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'unpin'],
  run: (step, task, guest) => {
    const { ioUring } = guest.machine.sys;
    if (step.int('unpin', 0) !== 0) {
      task.closeRing(guest.machine);
      guest.sleep(CLOSE_MS);
      return { ret: 0 };
    }
    const range = task.range(step);
    if (range === undefined) return NO_REGION;
    const { struct } = task.task;
    task.ring ??= ioUring.setup(struct);
    const { ring } = task;
    guest.machine.work.runAs(struct);
    const rc = ioUring.registerBuffer(struct, ring, range.addr, range.length);
    guest.machine.spend();
    return returned(rc);
  },
};

/** How long the recorder waits for a closed ring to be gone. */
const CLOSE_MS = 300;
