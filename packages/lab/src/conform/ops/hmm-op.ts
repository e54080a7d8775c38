import { EINVAL, ENXIO, type MirrorResult, PAGE_SIZE } from '@mm-lab/mm-core';
import type { Guest, GuestTask } from '../guest.js';
import { HmmFile, type HmmHandle } from '../hmm/hmm-unit.js';
import type { JsonObject } from '../json.js';
import { mapBounce } from '../recorder-areas.js';
import { NO_REGION, returned } from '../result.js';
import { runsOf } from '../runs.js';
import { type Step, StepError } from '../step.js';
import { RANGE, type TaskOp } from './op.js';

/** Pages of the recorder's buffer. */
const PAGES_MAX = 2048;
const UNITS = 4;

/** What a command came to: the driver's fields, and the buffer that it filled. */
interface Answer {
  readonly result: MirrorResult;
  readonly prot?: readonly number[];
}

/** A command for the kernel's HMM test device. */
export const hmmOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'dev', 'cmd', 'value', 'add_index', 'reopen'],
  run: (step, task, guest) => {
    const unit = step.int('dev', 0) % UNITS;
    const command = step.text('cmd', 'snapshot');
    if (command === 'close') {
      task.closeHmm(unit);
      return { ret: 0 };
    }
    const range = task.range(step);
    if (range === undefined) return NO_REGION;
    const handle = handleOf(step, task, guest, unit);
    if (handle === null) return returned(-ENXIO);
    if (!task.hasBounce) mapBounce(guest.machine, task.task);
    task.hasBounce = true;
    const pages = Math.min(PAGES_MAX, Math.floor(range.length / PAGE_SIZE));
    // The flags go where the number of pages does, and none of them is none.
    const asked = command === 'flags' ? step.int('value', 0) : pages;
    const isSane = range.addr % PAGE_SIZE === 0 && asked > 0;
    const answer = isSane
      ? guest.call(task, () => perform(step, guest, handle, range.addr / PAGE_SIZE, pages))
      : failed(-EINVAL);
    return print(guest, command, answer);
  },
};

function handleOf(step: Step, task: GuestTask, guest: Guest, unit: number): HmmHandle | null {
  const known = task.hmm.get(unit);
  if (known !== undefined && step.int('reopen', 0) === 0) return known.handle;
  if (guest.hmm === null) throw new StepError('the machine has no HMM test device');
  const opened = guest.hmm.open(unit, task.task.mm);
  if (opened === null) return null;
  task.hmm.set(unit, new HmmFile(opened));
  return opened;
}

function perform(
  step: Step,
  guest: Guest,
  handle: HmmHandle,
  start: number,
  pages: number,
): Answer {
  const end = start + pages;
  switch (step.text('cmd', 'snapshot')) {
    case 'read':
    case 'read_unlocked':
      return { result: handle.read(start, end, null) };
    case 'write':
      return { result: handle.write(start, end, (vpn) => keyOf(step, guest, vpn - start)) };
    case 'to_dev':
      return { result: handle.toDevice(start, end) };
    case 'to_sys':
      return { result: handle.toSystem(start, end) };
    case 'exclusive':
      return { result: handle.makeExclusive(start, end) };
    case 'check_exclusive':
      return failed(handle.checkExclusive(start, end));
    case 'snapshot':
      return snapshot(handle, start, end);
    case 'release':
      handle.release();
      return failed(0);
    case 'flags':
      handle.setFlags(step.int('value', 0));
      return failed(0);
    default:
      throw new StepError(`unknown command ${step.text('cmd', '')}`);
  }
}

function snapshot(handle: HmmHandle, start: number, end: number): Answer {
  const prot = handle.snapshot(start, end);
  if (typeof prot === 'number') return failed(prot);
  return { result: { rc: 0, pages: prot.length, faults: 0, keys: [] }, prot };
}

/** Name of a page whose first word is the step's value. */
function keyOf(step: Step, guest: Guest, page: number): number {
  const added = step.int('add_index', 0) !== 0 ? page : 0;
  return guest.words.keyOfWord(step.int('value', 1) + added);
}

/** The kernel hands its counts back only if the command succeeded. */
function print(guest: Guest, command: string, { result, prot }: Answer): JsonObject {
  const { rc, pages, faults, keys } = result;
  if (rc < 0) return { ...returned(rc), cpages: 0, faults: 0 };
  const counts = { ret: 0, cpages: pages, faults };
  if (prot !== undefined) return { ...counts, prot: runsOf(prot) };
  const reads = command === 'read' || command === 'read_unlocked' || command === 'to_dev';
  return reads ? { ...counts, values: runsOf(keys.map((key) => guest.words.wordOf(key))) } : counts;
}

function failed(rc: number): Answer {
  return { result: { rc, pages: 0, faults: 0, keys: [] } };
}
