/**
 * The bear: pages on the device may be stored to in place and turn incompressible at a rate, while
 * the driver learns of it late and evicts at another rate.
 */
import { noPressure, pressurePolicy, writableFraction } from '@mm-lab/cram';
import { type Plugin, PTE_ACCESSED, type Task } from '@mm-lab/mm-core';
import { bytes, type CramLab, cramLab, onDevice, pageRange, sizedPages } from './kit.ts';

/** Who looks after the pages. */
export type Guard =
  /** The device is ordinary memory. */
  | 'nobody'
  /** Every page may be stored to in place; pressure evicts. */
  | 'writable'
  /** The same, and pressure takes the right to store back. */
  | 'writable, revoked'
  /** CRAM as posted: a store brings its page back to DRAM. */
  | 'read-only';

export interface BearRace {
  readonly guard: Guard;
  /** Stores a nanosecond; each makes a page of half a page a whole one. */
  readonly storesPerNs: number;
  readonly tauNs: number;
  readonly headroomBytes: number;
  /** The program stores for so long, in ns. */
  readonly episodeNs: number;
  /** Pages on the device at the start. */
  readonly pages: number;
  /** Nobody is evicted: the driver says no pressure. */
  readonly noEviction?: boolean;
}

export interface BearResult {
  readonly overflows: number;
  /** From the first store to the first overflow, in ns; Infinity: none. */
  readonly exhaustedNs: number;
  /** Most bytes that the device held, of its capacity. */
  readonly peakShare: number;
  readonly promoted: number;
  readonly swappedOut: number;
  readonly stores: number;
}

/** What a page takes before its store. */
export const SMALL = bytes(1) / 2;
/** What its store adds. */
export const GROWTH = bytes(1) - SMALL;

/** Runs one race to the end of the episode, whatever becomes of the device. */
export function bearRace(race: BearRace): BearResult {
  const state = { sizeBytes: SMALL };
  const lab = bearLab(race, () => state.sizeBytes);
  const { machine } = lab;
  const vpns = pageRange(race.pages);
  const task = onDevice(lab, 'writer', race.pages);
  if (race.guard.startsWith('writable')) openAll(lab, task, vpns);
  const swappedBefore = machine.stats()['swap.out'] ?? 0;
  let exhausted = Infinity;
  machine.tracepoints.device_overflow.on((now) => {
    exhausted = Math.min(exhausted, now);
  });
  state.sizeBytes = bytes(1);
  const begin = machine.clock.now;
  const stores = storeFor(lab, task, race);
  machine.verify();
  const stats = machine.stats();
  const peak = stats['device.physical_bytes.peak'] ?? 0;
  return {
    overflows: stats['device.overflow_events'] ?? 0,
    exhaustedNs: exhausted - begin,
    peakShare: peak / lab.device.capacityBytes,
    promoted: stats['cram.promotions'] ?? 0,
    swappedOut: (stats['swap.out'] ?? 0) - swappedBefore,
    stores,
  };
}

function bearLab(race: BearRace, sizeOf: () => number): CramLab {
  const lowBytes = race.pages * SMALL;
  return cramLab({
    guard: race.guard === 'nobody' ? 'nobody' : 'cram',
    dramPages: Math.ceil(2.3 * race.pages) + 1024,
    devicePages: race.pages + 256,
    capacityBytes: lowBytes + race.headroomBytes,
    contents: sizedPages(sizeOf),
    swap: { kind: 'disk', pages: 2 * race.pages },
    device: { lowBytes, highBytes: Math.floor(0.1 * lowBytes), interruptNs: race.tauNs },
    plugins: pluginsOf(race),
  });
}

function pluginsOf({ guard, noEviction }: BearRace): readonly Plugin[] {
  const silent = noEviction === true ? [pressurePolicy(noPressure)] : [];
  if (guard === 'writable') return [writableFraction({ fraction: 1, revokeAt: null }), ...silent];
  if (guard === 'writable, revoked') return [writableFraction({ fraction: 1 }), ...silent];
  return silent;
}

/** Takes the fault of each page's first store now, with contents of the same size. */
function openAll({ machine }: CramLab, task: Task, vpns: readonly number[]): void {
  for (const vpn of vpns) {
    task.write(vpn);
    const slot = machine.ptes.find(task.mm.id, vpn);
    machine.ptes.bits[slot] = (machine.ptes.bits[slot] ?? 0) & ~PTE_ACCESSED;
  }
}

/** One store after the other, from the page demoted last; eviction begins at the other end. */
function storeFor({ machine }: CramLab, task: Task, race: BearRace): number {
  const begin = machine.clock.now;
  let stores = 0;
  for (let vpn = race.pages - 1; vpn >= 0; vpn--) {
    const due = begin + stores / race.storesPerNs;
    if (due > begin + race.episodeNs) break;
    if (machine.clock.now < due) machine.sleep(due - machine.clock.now);
    if (machine.clock.now > begin + race.episodeNs) break;
    task.write(vpn);
    stores++;
  }
  const end = begin + race.episodeNs;
  if (machine.clock.now < end) machine.sleep(end - machine.clock.now);
  return stores;
}

/** Pages that eviction takes off the device a nanosecond, with nobody storing. */
export function evictionRate(pages: number): number {
  const race: BearRace = {
    guard: 'writable',
    storesPerNs: 0,
    tauNs: 0,
    headroomBytes: bytes(64),
    episodeNs: 0,
    pages,
  };
  const lab = bearLab(race, () => SMALL);
  const { machine, cram } = lab;
  const task = onDevice(lab, 'writer', pages);
  openAll(lab, task, pageRange(pages));
  const before = machine.stats()['swap.out'] ?? 0;
  const begin = machine.clock.now;
  cram?.cram_set_pressure(1, 1000);
  let ns = 0;
  let out = 0;
  // Until half of the pages have gone: the last ones go slower, for want of pages to find.
  while (out < pages / 2 && ns < 1e9) {
    machine.sleep(20_000);
    out = (machine.stats()['swap.out'] ?? 0) - before;
    ns = machine.clock.now - begin;
  }
  return out / ns;
}
