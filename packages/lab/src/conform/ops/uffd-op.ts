import {
  PAGE_SIZE,
  type SysUserfaultfd,
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_WP_UNPOPULATED,
  type UserfaultfdCtx,
} from '@mm-lab/mm-core';
import type { Range } from '../guest.js';
import { NO_REGION, returned } from '../result.js';
import type { Step } from '../step.js';
import { RANGE, type TaskOp } from './op.js';

const REGISTER_WP = 2;
const PROTECT = 1;
/** Bytes that the recorder has to copy from. */
const SOURCE_BYTES = 16 * PAGE_SIZE;

/** userfaultfd: the descriptor is made at first use. */
export const uffdOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'cmd', 'mode', 'value', 'features'],
  run: (step, task, guest) => {
    const range = task.range(step);
    if (range === undefined) return NO_REGION;
    const { userfaultfd } = guest.machine.sys;
    const cmd = step.text('cmd', 'register');
    if (cmd === 'close') {
      task.closeUffd(guest.machine);
      return { ret: 0 };
    }
    const wanted = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_WP_UNPOPULATED;
    const features = step.int('features', wanted);
    const { struct } = task.task;
    const opened = task.uffd ?? userfaultfd.open(struct);
    if (typeof opened === 'number') return returned(opened);
    const rc = task.uffd === null ? userfaultfd.api(struct, opened, features) : 0;
    task.uffd = opened;
    if (rc < 0) return returned(rc);
    guest.words.word = step.int('value', 1);
    const ioctl = COMMANDS[cmd];
    if (ioctl === undefined) return {};
    return returned(guest.call(task, () => ioctl(userfaultfd, opened, range, step)));
  },
};

type Ioctl = (sys: SysUserfaultfd, ctx: UserfaultfdCtx, range: Range, step: Step) => number;

const COMMANDS: Readonly<Record<string, Ioctl>> = {
  register: (sys, ctx, range, step) => sys.register(ctx, range, step.int('mode', REGISTER_WP)),
  unregister: (sys, ctx, range) => sys.unregister(ctx, range),
  protect: (sys, ctx, range) => sys.writeProtect(ctx, range, PROTECT),
  unprotect: (sys, ctx, range) => sys.writeProtect(ctx, range, 0),
  zeropage: (sys, ctx, range) => sys.zeropage(ctx, range, 0),
  copy: (sys, ctx, { addr, length }, step) => {
    const bytes = length < 0 ? SOURCE_BYTES : Math.min(length, SOURCE_BYTES);
    return sys.copy(ctx, { addr, length: bytes }, step.int('mode', 0));
  },
};
