import { PAGE_SIZE } from '@mm-lab/mm-core';
import { ADVICES, numberOf } from '../names.js';
import { NO_REGION, returned } from '../result.js';
import { RANGE, type TaskOp } from './op.js';

const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
const SLOT_FIRST = 2 ** 40;
const SLOT_BYTES = 2 ** 30;

/** Gives a region another size, another slot, or both; always the whole region. */
export const mremapOp: TaskOp = {
  acts: 'task',
  fields: ['r', 'new_pages', 'move_slot', 'maymove'],
  run: (step, task, guest) => {
    const region = task.region(step.text('r', 'A'));
    if (region === undefined) return NO_REGION;
    const pages = step.int('new_pages', Math.floor(region.length / PAGE_SIZE));
    const newLength = pages * PAGE_SIZE;
    const mayMove = step.int('maymove', 0) !== 0 ? MREMAP_MAYMOVE : 0;
    const isMoved = step.has('move_slot');
    const request = {
      addr: region.addr,
      oldLength: region.length,
      newLength,
      flags: isMoved ? MREMAP_MAYMOVE | MREMAP_FIXED : mayMove,
      newAddr: isMoved ? SLOT_FIRST + step.int('move_slot', 0) * SLOT_BYTES : 0,
    };
    const addr = guest.call(task, (caller) => guest.machine.sys.mremap.mremap(caller, request));
    if (addr < 0) return returned(addr);
    const moved = addr !== region.addr ? 1 : 0;
    region.addr = addr;
    region.length = newLength;
    return { ret: 0, moved };
  },
};

/** Advice to another task about its memory at the caller's addresses. */
export const processMadviseOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'target', 'pid', 'advice'],
  run: (step, task, guest) => {
    const range = task.rangeOrNothing(step);
    const request = {
      target: guest.machine.tasks.find(guest.target(step)),
      ranges: [range],
      advice: numberOf(ADVICES, step.text('advice', 'COLD')),
      flags: 0,
    };
    const { processMadvise } = guest.machine.sys;
    return returned(guest.call(task, (caller) => processMadvise.processMadvise(caller, request)));
  },
};

const MCL_FUTURE = 2;

export const mlockallOp: TaskOp = {
  acts: 'task',
  fields: ['how'],
  run: (step, task, guest) => {
    const { mlock } = guest.machine.sys;
    const how = step.int('how', MCL_FUTURE);
    return returned(guest.call(task, (caller) => mlock.mlockall(caller, how)));
  },
};

export const munlockallOp: TaskOp = {
  acts: 'task',
  fields: [],
  run: (_step, task, guest) => {
    const { mlock } = guest.machine.sys;
    return returned(guest.call(task, (caller) => mlock.munlockall(caller)));
  },
};
