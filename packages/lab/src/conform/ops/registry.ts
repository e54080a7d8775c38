import { mmapOp } from './mmap-op.js';
import type { Op } from './op.js';
import { pinOp } from './pin-op.js';
import { madviseOp, mlockOp, mprotectOp, munlockOp, munmapOp } from './range-ops.js';
import { exitOp, forkOp, killOp, sleepOp, taskOp, waitOp } from './task-ops.js';
import { touchOp } from './touch-op.js';
import { numaMapsOp } from './views/numa-maps-op.js';
import { whereOp } from './views/where-op.js';
import { vmstatBeginOp, vmstatEndOp } from './vmstat-ops.js';

/** Every op by the name it has in a case. */
export const OPS: Readonly<Record<string, Op>> = {
  alive: waitOp,
  exit: exitOp,
  fork: forkOp,
  kill: killOp,
  longterm_pin: pinOp,
  madvise: madviseOp,
  mlock: mlockOp,
  mmap: mmapOp,
  mprotect: mprotectOp,
  munlock: munlockOp,
  munmap: munmapOp,
  numa_maps: numaMapsOp,
  sleep: sleepOp,
  task: taskOp,
  touch: touchOp,
  vmstat_begin: vmstatBeginOp,
  vmstat_end: vmstatEndOp,
  wait: waitOp,
  where: whereOp,
};
