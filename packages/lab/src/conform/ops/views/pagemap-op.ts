import type { PagemapEntry } from '@mm-lab/mm-core';
import type { Guest } from '../../guest.js';
import type { JsonObject } from '../../json.js';
import { NO_REGION } from '../../result.js';
import { runsOf } from '../../runs.js';
import type { Step } from '../../step.js';
import { pagesIn } from '../frames.js';
import { RANGE, type TaskOp } from '../op.js';
import { kpageFlags } from './kpageflags.js';

/** Pages that the recorder looks at. */
const PAGES_MAX = 65_536;
/** Places to save frames in. */
const SAVES = 4;

/** pagemap of a range: counts, bits by page, mappings by page, frames kept since a save. */
export const pagemapOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'kflags', 'runs', 'save', 'cmp', 'same_as_page', 'contig'],
  run: (step, task, guest) => {
    const range = task.range(step);
    if (range === undefined) return NO_REGION;
    guest.machine.proc.open(task.task.struct);
    const { first, count } = pagesIn(range);
    const pages = Math.min(count, PAGES_MAX);
    const { pagemap } = guest.machine.proc;
    const entries = Array.from({ length: pages }, (_, at) =>
      pagemap.read(task.task.mm, first + at),
    );
    return {
      ...countsOf(entries),
      ...(step.int('runs', 0) === 0 ? {} : { bits: runsOf(entries.map(bitsOf)) }),
      ...(step.int('kflags', 0) === 0 ? {} : kflagsOf(entries, guest)),
      ...framesOf(entries, step, guest),
    };
  },
};

function countsOf(entries: readonly PagemapEntry[]): JsonObject {
  const count = (test: (entry: PagemapEntry) => boolean): number => entries.filter(test).length;
  const guard = count((entry) => entry.guard);
  return {
    present: count((entry) => entry.present),
    swapped: count((entry) => entry.swapped),
    file_or_shared: count((entry) => entry.file),
    exclusive: count((entry) => entry.exclusive),
    uffd_wp: count((entry) => entry.uffdWp),
    ...(guard === 0 ? {} : { guard }),
  };
}

/** present, swapped, file or shared, exclusive, soft-dirty from bit 0 up. */
function bitsOf({ present, swapped, file, exclusive, softDirty }: PagemapEntry): number {
  return [present, swapped, file, exclusive, softDirty].reduce(
    (bits, isSet, at) => bits | (isSet ? 1 << at : 0),
    0,
  );
}

function kflagsOf(entries: readonly PagemapEntry[], guest: Guest): JsonObject {
  const { table } = guest.machine;
  const counts: Record<string, number> = {};
  const mappings = entries.map(({ pfn }) => {
    if (pfn < 0 || isOffline(guest, pfn)) return -1;
    for (const name of kpageFlags(guest.machine, pfn)) counts[name] = (counts[name] ?? 0) + 1;
    return table.mapcount[pfn] ?? 0;
  });
  return { kpageflags: counts, mapcount: runsOf(mappings) };
}

/** Device memory is not online: /proc/kpageflags and kpagecount do not reach it. */
function isOffline({ machine }: Guest, pfn: number): boolean {
  return machine.managed.ownerOf(pfn)?.kind === 'page-map';
}

function framesOf(entries: readonly PagemapEntry[], step: Step, guest: Guest): JsonObject {
  const frames = entries.map(({ pfn }) => pfn);
  const out: Record<string, number> = {};
  const like = step.int('same_as_page', -1);
  if (like >= 0) {
    const frame = frames[like] ?? -1;
    out.same_frame = frames.filter((pfn) => pfn >= 0 && pfn === frame).length;
  }
  if (step.int('contig', 0) !== 0) {
    out.phys_runs = runsApart(frames, 1);
    out.phys_runs_down = runsApart(frames, -1);
  }
  const slot = step.int('save', step.int('cmp', 0)) % SAVES;
  if (step.has('save')) {
    guest.savedFrames.set(slot, frames);
  } else if (step.has('cmp')) {
    const saved = guest.savedFrames.get(slot) ?? [];
    out.same_frames = frames.filter((pfn, at) => pfn >= 0 && pfn === saved[at]).length;
  }
  return out;
}

/** Runs of frames that follow each other at a distance. */
function runsApart(frames: readonly number[], distance: number): number {
  return frames.filter((pfn, at) => at === 0 || pfn !== (frames[at - 1] ?? 0) + distance).length;
}
