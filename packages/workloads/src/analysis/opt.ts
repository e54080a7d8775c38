import { type PageTrace, slotCount } from '../trace/page-trace.js';
import { checkFrames } from './frames.js';

/**
 * Misses of Belady's OPT (evict the page whose next use is farthest) with `frames` frames, each row
 * being one reference: the lower bound of every demand-paging policy. O(rows · log frames).
 *
 * @throws TraceError TRACE_BAD_OPTION unless `frames` is a whole number of at least 1
 */
export function optMisses(trace: PageTrace, frames: number): number {
  checkFrames(frames);
  const { ref, rows } = trace;
  const nextUse = nextUses(trace);
  const size = Math.min(frames, trace.pages);
  const heap = new NextUseHeap(size, slotCount(trace));
  let misses = 0;
  for (let row = 0; row < rows; row++) {
    const slot = ref[row]! >> 1;
    if (heap.has(slot)) {
      heap.raise(slot, nextUse[row]!);
      continue;
    }
    misses++;
    if (heap.count === size) heap.replaceTop(slot, nextUse[row]!);
    else heap.push(slot, nextUse[row]!);
  }
  return misses;
}

/** Per row the next row that refers to the same page, or the number of rows when there is none. */
export function nextUses(trace: PageTrace): Int32Array {
  const { ref, rows } = trace;
  const uses = new Int32Array(rows);
  const seen = new Int32Array(slotCount(trace)).fill(rows);
  for (let row = rows - 1; row >= 0; row--) {
    const slot = ref[row]! >> 1;
    uses[row] = seen[slot]!;
    seen[slot] = row;
  }
  return uses;
}

/** Resident pages as a heap with the farthest next use on top. */
class NextUseHeap {
  count = 0;
  private readonly slots: Int32Array;
  private readonly uses: Int32Array;
  /** Position in the heap by slot, -1 for a page that is not resident. */
  private readonly position: Int32Array;

  constructor(size: number, slotLimit: number) {
    this.slots = new Int32Array(size);
    this.uses = new Int32Array(size);
    this.position = new Int32Array(slotLimit).fill(-1);
  }

  has(slot: number): boolean {
    return this.position[slot]! >= 0;
  }

  push(slot: number, use: number): void {
    this.count++;
    this.siftUp(this.count - 1, slot, use);
  }

  /** A resident page is used: its next use only moves away. */
  raise(slot: number, use: number): void {
    this.siftUp(this.position[slot]!, slot, use);
  }

  replaceTop(slot: number, use: number): void {
    this.position[this.slots[0]!] = -1;
    this.siftDown(slot, use);
  }

  private siftUp(from: number, slot: number, use: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.uses[parent]! >= use) break;
      this.place(at, this.slots[parent]!, this.uses[parent]!);
      at = parent;
    }
    this.place(at, slot, use);
  }

  private siftDown(slot: number, use: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.count) break;
      if (child + 1 < this.count && this.uses[child + 1]! > this.uses[child]!) child++;
      if (this.uses[child]! <= use) break;
      this.place(at, this.slots[child]!, this.uses[child]!);
      at = child;
    }
    this.place(at, slot, use);
  }

  private place(at: number, slot: number, use: number): void {
    this.slots[at] = slot;
    this.uses[at] = use;
    this.position[slot] = at;
  }
}
