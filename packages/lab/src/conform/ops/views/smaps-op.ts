import { PAGE_SIZE, type Smaps, VM_SOFTDIRTY, vmFlagsLine } from '@mm-lab/mm-core';
import type { GuestTask } from '../../guest.js';
import type { JsonObject } from '../../json.js';
import { NO_REGION } from '../../result.js';
import { vpnOf } from '../frames.js';
import type { TaskOp } from '../op.js';

/** The lines of smaps that the recorder adds up, in its order. */
const LINES: readonly (readonly [string, keyof Smaps])[] = [
  ['Rss', 'rss'],
  ['Pss', 'pss'],
  ['Shared_Clean', 'sharedClean'],
  ['Shared_Dirty', 'sharedDirty'],
  ['Private_Clean', 'privateClean'],
  ['Private_Dirty', 'privateDirty'],
  ['Referenced', 'referenced'],
  ['Anonymous', 'anonymous'],
  ['KSM', 'ksm'],
  ['LazyFree', 'lazyFree'],
  ['AnonHugePages', 'anonHugePages'],
  ['ShmemPmdMapped', 'shmemPmdMapped'],
  ['Shared_Hugetlb', 'sharedHugetlb'],
  ['Private_Hugetlb', 'privateHugetlb'],
  ['Swap', 'swap'],
  ['SwapPss', 'swapPss'],
  ['Locked', 'locked'],
];

/** smaps of the areas that cover a region, added up; each area is printed in whole KiB. */
export const smapsOp: TaskOp = {
  acts: 'task',
  fields: ['r'],
  run: (step, task, { machine, softDirty }) => {
    const region = task.region(step.text('r', 'A'));
    if (region === undefined) return NO_REGION;
    machine.proc.open(task.task.struct);
    const { mm } = task.task;
    const areas = areasOf(task, region.addr, region.length);
    const counted = areas.map((area) => machine.proc.smaps.gather(mm, area));
    const kB: Record<string, number> = {};
    for (const [name, field] of LINES) {
      const sum = counted.reduce((total, smaps) => total + kibOf(smaps[field]), 0);
      if (sum > 0 || name === 'Rss') kB[name] = sum;
    }
    const vmflags = areas
      .map(({ flags }) => vmFlagsLine(softDirty ? flags : flags & ~VM_SOFTDIRTY))
      .join('|');
    return { vmas: areas.length, kB, vmflags };
  },
};

/** Whole areas that overlap a region. */
export function areasOf(task: GuestTask, addr: number, length: number) {
  const start = vpnOf(addr);
  const end = vpnOf(addr + length + PAGE_SIZE - 1);
  return task.task.mm.vmas.filter((vma) => vma.start < end && vma.end > start);
}

/** smaps lines of one area in KiB, by name. */
export function smapsLines(smaps: Smaps): JsonObject {
  return Object.fromEntries(LINES.map(([name, field]) => [name, kibOf(smaps[field])]));
}

function kibOf(pages: number): number {
  return Math.floor((pages * PAGE_SIZE) / 1024);
}
