import { type OpenFile, PAGE_SIZE } from '@mm-lab/mm-core';
import type { Guest, GuestTask } from '../guest.js';
import { flagSet, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_FLAGS, protOf } from '../names.js';
import { returned } from '../result.js';
import type { Step } from '../step.js';
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
  run: (step, task, guest) => {
    const length = lengthOf(step);
    const file = fileOf(step, task, guest, length);
    const asked = step.has('flags') ? flagSet(MAP_FLAGS, step.get('flags')) : PRIVATE_ANON;
    const kind = file === null ? asked : asked & ~MAP_ANONYMOUS;
    const request = {
      addr: addressOf(step, task),
      length,
      prot: protOf(step.text('prot', 'rw')),
      flags: kind | (step.has('over') ? MAP_FIXED : MAP_FIXED_NOREPLACE),
      file,
      offset: step.int('offset_pages', 0) * PAGE_SIZE,
    };
    const addr = guest.call(task, (caller) => guest.machine.sys.mmap.mmap(caller, request));
    if (addr < 0) return returned(addr);
    remember(step, task, addr, length);
    return { ret: 0 };
  },
};

const MAP_ANONYMOUS = 0x20;
const PRIVATE_ANON = 0x22;

function lengthOf(step: Step): number {
  if (step.has('len_bytes')) return step.int('len_bytes', 0);
  return step.int('pages', 1) * PAGE_SIZE;
}

function fileOf(step: Step, task: GuestTask, { machine }: Guest, length: number): OpenFile | null {
  if (!step.has('memfd')) return null;
  const pages = step.int('file_pages', Math.floor(length / PAGE_SIZE));
  return task.memfd(machine, step.text('memfd', 'f'), pages * PAGE_SIZE);
}

function overOf(step: Step, task: GuestTask): { readonly addr: number } | undefined {
  return step.has('over') ? task.region(step.text('over', '')) : undefined;
}

function addressOf(step: Step, task: GuestTask): number {
  const over = overOf(step, task);
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
