import { nextUses, type PageTrace, slotCount } from '@mm-lab/workloads';
import type { OracleConfig } from '../experiment/experiment.js';
import type { LatencyMove } from './latency.js';

/** What a placement adds to a run in which everything is near. */
export interface PlacementCost {
  /** Nanoseconds more than with near memory for everything. */
  readonly extraNs: number;
  /** Pages moved near, and moved away to make room. */
  readonly promoted: number;
  readonly demoted: number;
  /** Accesses whose latency changes. */
  readonly moves: readonly LatencyMove[];
}

/**
 * The cheaper of two placements that know the whole trace: the pages with most accesses near from
 * start to end, or Belady's choice at every access, with the freedom to leave a page far (a page is
 * brought near only if that is cheaper than its accesses from afar). The program pays for far lines
 * and for bringing pages near; making room is free. Far memory has no limit here, neither pages nor
 * real capacity, and near memory keeps nothing back below its marks. A yardstick, not a proof: a
 * policy that moves pages in the background for free may beat it.
 */
export function oraclePlacement(trace: PageTrace, config: OracleConfig): PlacementCost {
  const still = hottestPages(trace, config);
  const moving = foresight(trace, config);
  return still.extraNs <= moving.extraNs ? still : moving;
}

function hottestPages(trace: PageTrace, config: OracleConfig): PlacementCost {
  const bySlot = new Float64Array(slotCount(trace));
  for (let row = 0; row < trace.rows; row++) {
    const slot = trace.ref[row]! >> 1;
    bySlot[slot] = bySlot[slot]! + trace.n[row]!;
  }
  const ascending = bySlot.filter((accesses) => accesses > 0).sort();
  let far = 0;
  for (let at = 0; at < ascending.length - config.nearPages; at++) far += ascending[at]!;
  return costOf(config, { far, promoted: 0, demoted: 0 });
}

function foresight(trace: PageTrace, config: OracleConfig): PlacementCost {
  const { nearPages, nearLineNs, farLineNs, copyNs } = config;
  const near = new NextUseHeap(Math.min(nearPages, trace.pages), slotCount(trace));
  const placed = new Uint8Array(slotCount(trace));
  const uses = nextUses(trace);
  const lineNs = farLineNs - nearLineNs;
  let far = 0;
  let promoted = 0;
  let demoted = 0;
  for (let row = 0; row < trace.rows; row++) {
    const slot = trace.ref[row]! >> 1;
    const next = uses[row]!;
    if (near.has(slot)) {
      near.update(slot, next);
      continue;
    }
    const isFirst = placed[slot] === 0;
    placed[slot] = 1;
    const accesses = trace.n[row]!;
    const isWorthIt = isFirst || accesses * lineNs > copyNs;
    if (!near.isFull() || (isWorthIt && next < near.farthest())) {
      if (near.isFull()) demoted += 1;
      if (!isFirst) promoted += 1;
      near.admit(slot, next);
    } else {
      far += accesses;
    }
  }
  return costOf(config, { far, promoted, demoted });
}

function costOf(
  config: OracleConfig,
  counts: { readonly far: number; readonly promoted: number; readonly demoted: number },
): PlacementCost {
  const { nearLineNs, farLineNs, copyNs } = config;
  const { far, promoted, demoted } = counts;
  return {
    extraNs: far * (farLineNs - nearLineNs) + promoted * copyNs,
    promoted,
    demoted,
    moves: [
      { fromNs: nearLineNs, toNs: farLineNs, count: far },
      { fromNs: nearLineNs, toNs: nearLineNs + copyNs, count: promoted },
    ],
  };
}

/** Pages that are near, the one with the farthest next use on top of a binary heap. */
class NextUseHeap {
  private count = 0;
  private readonly slots: Int32Array;
  /** Next use by slot. */
  private readonly use: Int32Array;
  /** Position in the heap by slot, -1 for a page that is far. */
  private readonly position: Int32Array;

  constructor(
    private readonly size: number,
    slotLimit: number,
  ) {
    this.slots = new Int32Array(size);
    this.use = new Int32Array(slotLimit);
    this.position = new Int32Array(slotLimit).fill(-1);
  }

  has(slot: number): boolean {
    return this.position[slot]! >= 0;
  }

  isFull(): boolean {
    return this.count === this.size;
  }

  /** The farthest next use among the near pages. */
  farthest(): number {
    return this.count === 0 ? -1 : this.use[this.slots[0]!]!;
  }

  /** A next use only ever moves away. */
  update(slot: number, next: number): void {
    this.use[slot] = next;
    this.up(this.position[slot]!);
  }

  /** Takes a page in; when full, the page on top goes. */
  admit(slot: number, next: number): void {
    this.use[slot] = next;
    if (!this.isFull()) {
      this.put(this.count, slot);
      this.count += 1;
      this.up(this.count - 1);
      return;
    }
    this.position[this.slots[0]!] = -1;
    this.put(0, slot);
    this.down();
  }

  private put(at: number, slot: number): void {
    this.slots[at] = slot;
    this.position[slot] = at;
  }

  private up(from: number): void {
    const slot = this.slots[from]!;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.slots[parent]!;
      if (this.use[above]! >= this.use[slot]!) break;
      this.put(at, above);
      at = parent;
    }
    this.put(at, slot);
  }

  private down(): void {
    const slot = this.slots[0]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.count) break;
      const right = child + 1;
      if (right < this.count && this.use[this.slots[right]!]! > this.use[this.slots[child]!]!) {
        child = right;
      }
      if (this.use[this.slots[child]!]! <= this.use[slot]!) break;
      this.put(at, this.slots[child]!);
      at = child;
    }
    this.put(at, slot);
  }
}
