/**
 * What row 47 runs: a program with more memory than DRAM that visits its cold pages again and
 * again. Nobody makes pages cold by hand: reclaim takes what it takes.
 */
import { createMachine, diskSwap, type Machine, PageData, Prng, type Task } from '@mm-lab/mm-core';
import { cramLab, sizedPages } from './kit.ts';

export const HOT = 900;
export const COLD = 900;
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

export interface VisitCost {
  /** Time of a visit beyond what it takes in DRAM, everything else that it causes included. */
  readonly ns: number;
  readonly faults: number;
  readonly promotions: number;
  readonly swapOuts: number;
}

function machineOf(tier: Tier): Machine {
  const contents = sizedPages(() => 1024);
  if (tier.kind === 'cram') {
    const device = { lineNs: DRAM_NS + tier.addedNs };
    return cramLab({ contents, device, dramPages: DRAM_PAGES, devicePages: 2 * COLD }).machine;
  }
  return createMachine(
    {
      seed: 1,
      nodes: [{ id: 0, pages: DRAM_PAGES, cpus: 1 }],
      zswap: { enabled: true, compressor: tier.codec, max_pool_percent: 100 },
    },
    [
      { name: 'contents', register: (services) => services.bindValue(PageData, contents) },
      diskSwap({ pages: 4 * COLD }),
    ],
  );
}

/** The mean cost of a visit, once things have settled. */
export function visitCost(tier: Tier, visits: Visits, seed = 1): VisitCost {
  const machine = machineOf(tier);
  const task = machine.createTask('program');
  const prng = new Prng(seed);
  task.mmap(0, HOT + COLD);
  for (let vpn = 0; vpn < HOT + COLD; vpn++) task.write(vpn);
  play(task, prng, visits, WARM_UP);
  const before = machine.stats();
  const begin = machine.clock.now;
  play(task, prng, visits, VISITS);
  const ns = machine.clock.now - begin;
  const after = machine.stats();
  machine.verify();
  const each = (name: string): number => ((after[name] ?? 0) - (before[name] ?? 0)) / VISITS;
  return {
    ns: ns / VISITS - (visits.lines + HOT_ACCESSES) * DRAM_NS,
    faults: each('fault.minor') + each('fault.major'),
    promotions: each('cram.promotions'),
    swapOuts: each('swap.out'),
  };
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
