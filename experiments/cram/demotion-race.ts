/**
 * The race of H2: pages are demoted as fast as the threads that reclaim can, usage crosses the low
 * mark, and a while later the gate closes. What came in meanwhile must fit into the headroom.
 */
import type { Task } from '@mm-lab/mm-core';
import {
  bytes,
  type CramLab,
  cramLab,
  demote,
  demoteAtOnce,
  pageRange,
  sizedPages,
  writer,
} from './kit.ts';

export interface Race {
  /** From crossing the mark to the gate being shut, in ns. */
  readonly tauNs: number;
  /** Bytes that each incoming page takes, whole sectors of 64. */
  readonly sizeBytes: number;
  /** Capacity above the low mark, in bytes. */
  readonly headroomBytes: number;
  /** Pages of one demotion call: what is under way and cannot be called back. */
  readonly batch: number;
  /**
   * Threads that demote at the same time, each a batch after the other. Default 1. None slows
   * another one down, which is the worst for the device.
   */
  readonly threads?: number;
}

export interface RaceResult {
  readonly overflows: number;
  /** Pages that came in after the mark was crossed. */
  readonly landed: number;
  /** Demoted pages a nanosecond, as measured between the first and the last batch. */
  readonly pagesPerNs: number;
}

/** Pages of the node before the race, exactly up to the low mark. */
const BEFORE = 32;

/** Runs one race, until the gate is shut, the device overflows, or there are no pages left. */
export function demotionRace(race: Race): RaceResult {
  const lowBytes = BEFORE * race.sizeBytes;
  const round = race.batch * (race.threads ?? 1);
  const capacityBytes = lowBytes + race.headroomBytes;
  // Enough to overflow the headroom twice if nobody stops it.
  const pages = BEFORE + Math.ceil((2 * race.headroomBytes) / race.sizeBytes) + 4 * round;
  const lab = raceLab(race, { pages, lowBytes, capacityBytes });
  const task = writer(lab.machine, 'demoted', pages);
  demote(lab, task, pageRange(BEFORE));
  const begin = lab.machine.clock.now;
  let landed = 0;
  let last = begin;
  let isShut = false;
  for (let next = BEFORE; next < pages; next += round) {
    const vpns = pageRange(Math.min(round, pages - next), next);
    last = lab.machine.clock.now;
    const moved = demoteTogether(lab, task, vpns, race.batch);
    isShut = moved === 0;
    landed += moved;
    if (isShut || overflowsOf(lab) > 0) break;
  }
  const ns = (isShut ? last : lab.machine.clock.now) - begin;
  return { overflows: overflowsOf(lab), landed, pagesPerNs: ns > 0 ? landed / ns : 0 };
}

/** Each thread demotes one batch; as much time passes as the slowest of them takes. */
function demoteTogether(lab: CramLab, task: Task, vpns: readonly number[], batch: number): number {
  const { work } = lab.machine;
  let moved = 0;
  let slowestNs = 0;
  for (let from = 0; from < vpns.length; from += batch) {
    moved += demoteAtOnce(lab, task, vpns.slice(from, from + batch));
    slowestNs = Math.max(slowestNs, work.take());
  }
  lab.machine.sleep(slowestNs);
  return moved;
}

function raceLab(
  race: Race,
  sizes: { readonly pages: number; readonly lowBytes: number; readonly capacityBytes: number },
): CramLab {
  const { tauNs, sizeBytes } = race;
  return cramLab({
    // Room to spare: DRAM's own kswapd must not join the race.
    dramPages: Math.ceil(1.15 * sizes.pages) + 1024,
    devicePages: sizes.pages + 64,
    capacityBytes: Math.max(sizes.capacityBytes, bytes(1)),
    contents: sizedPages(() => sizeBytes),
    device: {
      lowBytes: sizes.lowBytes,
      highBytes: Math.floor(sizes.lowBytes / 2),
      interruptNs: tauNs,
    },
  });
}

function overflowsOf(lab: CramLab): number {
  return lab.machine.stats()['device.overflow_events'] ?? 0;
}

/**
 * Headroom that the closed form asks for (cost model, H2): what comes in during the delay, and what
 * is under way.
 * @param pagesPerNs of one thread
 */
export function headroomNeeded(race: Omit<Race, 'headroomBytes'>, pagesPerNs: number): number {
  return (race.threads ?? 1) * (pagesPerNs * race.tauNs + race.batch) * race.sizeBytes;
}
