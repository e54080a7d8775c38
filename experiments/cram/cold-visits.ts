/**
 * What row 47 runs: a program with more memory than DRAM that visits its cold pages again and
 * again. Nobody makes pages cold by hand: reclaim takes what it takes.
 */
import { type Machine, Prng, type Task } from '@mm-lab/mm-core';
import { compressedSwap, cramLab, sizedPages, writer } from './kit.ts';

const HOT = 900;
const COLD = 900;
const DRAM_PAGES = 1400;
const DRAM_NS = 100;
const VISITS = 700;
/** Visits before it is measured: by then reclaim has settled. */
const WARM_UP = 1000;
/** Stores and loads of hot pages between two visits. */
const HOT_ACCESSES = 8;

export interface Visits {
  /** Lines touched in one visit. */
  readonly lines: number;
  /** Share of visits that begin with a store. */
  readonly writeShare: number;
}

/** Where cold pages go. */
export type Tier =
  | { readonly kind: 'cram'; readonly addedNs: number }
  | { readonly kind: 'zswap'; readonly codec: string };

function machineOf(tier: Tier): Machine {
  const contents = sizedPages(() => 1024);
  if (tier.kind === 'cram') {
    const device = { lineNs: DRAM_NS + tier.addedNs };
    return cramLab({ contents, device, dramPages: DRAM_PAGES, devicePages: 2 * COLD }).machine;
  }
  const { kind, codec } = tier;
  return compressedSwap({
    kind,
    codec,
    contents,
    dramPages: DRAM_PAGES,
    swapPages: 4 * COLD,
  });
}

/**
 * Mean time of a visit in ns beyond what it takes in DRAM, everything else that it causes included,
 * once things have settled.
 */
export function visitNs(tier: Tier, visits: Visits): number {
  const machine = machineOf(tier);
  const task = writer(machine, 'program', HOT + COLD);
  const prng = new Prng(1);
  play(task, prng, visits, WARM_UP);
  const begin = machine.clock.now;
  play(task, prng, visits, VISITS);
  const ns = machine.clock.now - begin;
  machine.verify();
  return ns / VISITS - (visits.lines + HOT_ACCESSES) * DRAM_NS;
}

function play(task: Task, prng: Prng, { lines, writeShare }: Visits, visits: number): void {
  for (let visit = 0; visit < visits; visit++) {
    for (let at = 0; at < HOT_ACCESSES; at++) task.access(prng.below(HOT), prng.chance(0.3));
    const vpn = HOT + prng.below(COLD);
    if (prng.chance(writeShare)) task.write(vpn);
    else task.read(vpn);
    if (lines > 1) task.read(vpn, lines - 1);
  }
}
