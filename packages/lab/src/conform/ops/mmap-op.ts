import { PAGE_SIZE } from '@mm-lab/mm-core';
import type { GuestTask } from '../guest.js';
import { flagSet, MAP_FLAGS, protOf } from '../names.js';
import { returned } from '../result.js';
import { type Step, StepError } from '../step.js';
import { vpnOf } from './frames.js';
import type { TaskOp } from './op.js';

/** Where the first region lies, and how far apart they are. */
const SLOT_FIRST = 2 ** 40;
const SLOT_BYTES = 2 ** 30;

/** Maps a region at the slot of its number; `over` replaces part of another one. */
export const mmapOp: TaskOp = {
  acts: 'task',
  fields: [
    ...['as', 'pages', 'prot', 'flags', 'memfd', 'file_pages', 'offset_pages'],
    ...['slot', 'slot_pages', 'over', 'page', 'len_bytes'],
  ],
  run: (step, task) => {
    const length = lengthOf(step);
    const flags = step.has('flags') ? flagSet(MAP_FLAGS, step.get('flags')) : PRIVATE_ANON;
    if (flags !== PRIVATE_ANON || step.has('memfd')) throw new StepError('not yet: mmap flags');
    const addr = addressOf(step, task);
    const prot = protOf(step.text('prot', 'rw'));
    const rc = task.task.mmap(vpnOf(addr), Math.ceil(length / PAGE_SIZE), prot);
    if (rc === 0) remember(step, task, addr, length);
    return returned(rc);
  },
};

const PRIVATE_ANON = 0x22;

function lengthOf(step: Step): number {
  if (step.has('len_bytes')) return step.int('len_bytes', 0);
  return step.int('pages', 1) * PAGE_SIZE;
}

function addressOf(step: Step, task: GuestTask): number {
  const over = task.region(step.text('over', ''));
  if (over !== undefined) return over.addr + step.int('page', 0) * PAGE_SIZE;
  const known = task.regions.findIndex(({ name }) => name === step.text('as', 'A'));
  const slot = step.int('slot', known < 0 ? task.regions.length : known);
  return SLOT_FIRST + slot * SLOT_BYTES + step.int('slot_pages', 0) * PAGE_SIZE;
}

/** A region that replaces part of another has no name of its own unless it had one before. */
function remember(step: Step, task: GuestTask, addr: number, length: number): void {
  const name = step.text('as', 'A');
  const known = task.region(name);
  if (known !== undefined) {
    known.addr = addr;
    known.length = length;
  } else if (!step.has('over')) {
    task.regions.push({ name, addr, length });
  }
}
