import { deathOf, GuestTask, RECORDER_CHILD_PAGES } from '../guest.js';
import { warmUp } from '../recorder-areas.js';
import { returned } from '../result.js';
import type { MachineOp, TaskOp } from './op.js';

/** Starts a task that shares nothing with the others. */
export const taskOp: MachineOp = {
  acts: 'machine',
  fields: ['name'],
  run: (step, guest) => {
    guest.spawn(step.text('name', 'p1'));
    return { ret: 0 };
  },
};

/** How long the recorder's two tasks take to touch all of their own memory. */
const FORK_MS = 50;

export const forkOp: TaskOp = {
  acts: 'task',
  fields: ['child'],
  run: (step, parent, guest) => {
    const name = step.text('child', 'p1');
    const child = parent.task.fork(name);
    if (typeof child === 'number') return returned(child);
    const made = new GuestTask(name, child, parent.regions);
    child.struct.rssElsewhere = RECORDER_CHILD_PAGES;
    made.inheritDescriptors(guest.machine, parent);
    made.knowsSignals = false;
    guest.add(made);
    guest.sleep(FORK_MS);
    warmUp(guest.machine, child);
    warmUp(guest.machine, parent.task);
    return { ret: 0 };
  },
};

export const exitOp: TaskOp = {
  acts: 'task',
  fields: ['code'],
  run: (step, task, guest) => {
    guest.kill(task, { exit: step.int('code', 0) & 0xff });
    return deathOf(task.death ?? { exit: 0 });
  },
};

/** Waits for the end of a task, but not for long; `alive` only looks. */
export const waitOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (step, guest) => {
    const task = guest.find(step.text('p', 'p0'));
    guest.reap();
    if (task === undefined) return { state: 'alive' };
    return task.death === null ? { state: 'alive' } : deathOf(task.death);
  },
};

export const killOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (step, guest) => {
    const task = guest.find(step.text('p', 'p0'));
    if (task !== undefined) guest.kill(task);
    return { ret: 0 };
  },
};

/** Of a task or of the recorder itself: time passes either way. */
export const sleepOp: MachineOp = {
  acts: 'machine',
  fields: ['ms'],
  run: (step, guest) => {
    if (step.has('p')) {
      const task = guest.find(step.text('p', ''));
      if (task === undefined) return { error: 'no task' };
      if (task.death !== null) return { error: 'task is dead' };
    }
    guest.sleep(step.int('ms', 100));
    return { ret: 0 };
  },
};
