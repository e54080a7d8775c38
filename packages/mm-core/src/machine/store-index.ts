import { PTRS_PER_PTE } from '../abi/zone.js';

/** What the index reads of a trace. */
interface StoreRows {
  readonly rows: number;
  readonly regions: ArrayLike<number>;
  readonly ref: Int32Array;
}

/**
 * The rows that store to each page of a trace, ascending: when was a page last stored to? Asked
 * when an entry goes, so that the access loop need not remember it.
 */
export class StoreIndex {
  /** Where the rows of a slot begin in `storeRows`; one more entry than slots. */
  private readonly begin: Int32Array;
  private readonly storeRows: Int32Array;

  constructor(trace: StoreRows) {
    const slots = trace.regions.length * PTRS_PER_PTE;
    this.begin = new Int32Array(slots + 1);
    for (let row = 0; row < trace.rows; row++) {
      const access = trace.ref[row]!;
      if ((access & 1) === 1) this.begin[(access >> 1) + 1]! += 1;
    }
    for (let slot = 0; slot < slots; slot++) this.begin[slot + 1]! += this.begin[slot]!;
    this.storeRows = new Int32Array(this.begin[slots]!);
    const next = this.begin.slice(0, slots);
    for (let row = 0; row < trace.rows; row++) {
      const access = trace.ref[row]!;
      if ((access & 1) === 1) this.storeRows[next[access >> 1]!++] = row;
    }
  }

  /** Last row before `row` that stores to the slot, or -1. */
  lastBefore(slot: number, row: number): number {
    let low = this.begin[slot]!;
    let high = this.begin[slot + 1]!;
    const first = low;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.storeRows[middle]! < row) low = middle + 1;
      else high = middle;
    }
    return low === first ? -1 : this.storeRows[low - 1]!;
  }
}
