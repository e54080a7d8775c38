import { assert } from '@mm-lab/mm-core';
import { AddressHeap } from './address-heap.js';

/** Entries of holes that are gone that a heap may have whatever is there. */
const STALE_MAX = 64;

/**
 * The holes of a medium: where each begins and how long it is, in sectors. Neighbours are one hole.
 *
 * Invariants: `freeSectors` is the sum of all lengths, `rawBlocks` of the raw blocks that fit into
 * each; every hole is in the heap of its length, the last heap has all that are as long as a raw
 * block or longer.
 */
export class HoleList {
  freeSectors = 0;
  /** Blocks that do not shrink that there is room for without moving anything. */
  rawBlocks = 0;
  private readonly lengthAt = new Map<number, number>();
  private readonly beginOfEnd = new Map<number, number>();
  /** By length; entries of holes that are gone or have another length are dropped when met. */
  private readonly heaps: readonly AddressHeap[];

  /** @param rawSectors of a block that does not shrink, the largest that is asked for */
  constructor(private readonly rawSectors: number) {
    this.heaps = Array.from({ length: rawSectors + 1 }, () => new AddressHeap());
  }

  get count(): number {
    return this.lengthAt.size;
  }

  /** Length of the hole that begins there; 0: none does. */
  lengthOf(begin: number): number {
    return this.lengthAt.get(begin) ?? 0;
  }

  /** The lowest hole of at least so many sectors (first fit), or -1. */
  firstFit(sectors: number): number {
    let best = -1;
    for (let size = sectors; size <= this.rawSectors; size++) {
      const begin = this.lowestOf(size);
      if (begin >= 0 && (best < 0 || begin < best)) best = begin;
    }
    return best;
  }

  /** Frees sectors; they become one hole with their neighbours. */
  add(begin: number, sectors: number): void {
    const before = this.beginOfEnd.get(begin);
    const after = this.lengthAt.get(begin + sectors);
    if (before !== undefined) this.remove(before);
    if (after !== undefined) this.remove(begin + sectors);
    const from = before ?? begin;
    this.insert(from, begin - from + sectors + (after ?? 0));
  }

  /** Takes the first sectors of the hole that begins there. */
  take(begin: number, sectors: number): void {
    const length = this.lengthOf(begin);
    assert(length >= sectors, 'what is taken is free');
    this.remove(begin);
    if (length > sectors) this.insert(begin + sectors, length - sectors);
  }

  /** Counts everything again. */
  verify(): void {
    let free = 0;
    let raw = 0;
    for (const [begin, length] of this.lengthAt) {
      free += length;
      raw += Math.floor(length / this.rawSectors);
      assert(this.beginOfEnd.get(begin + length) === begin, 'a hole is known by its end');
      assert(!this.lengthAt.has(begin + length), 'holes that touch are one');
    }
    assert(this.beginOfEnd.size === this.lengthAt.size, 'ends are those of holes');
    assert(free === this.freeSectors, 'free sectors equal their recount');
    assert(raw === this.rawBlocks, 'room for raw blocks equals its recount');
  }

  private lowestOf(size: number): number {
    const heap = this.heaps[size]!;
    for (let begin = heap.lowest(); begin >= 0; begin = heap.lowest()) {
      if (this.heapOf(this.lengthOf(begin)) === size) return begin;
      heap.dropLowest();
    }
    return -1;
  }

  private heapOf(length: number): number {
    return Math.min(length, this.rawSectors);
  }

  private insert(begin: number, length: number): void {
    this.lengthAt.set(begin, length);
    this.beginOfEnd.set(begin + length, begin);
    this.heaps[this.heapOf(length)]!.add(begin);
    if (this.heaps[this.heapOf(length)]!.size > 2 * this.count + STALE_MAX) this.rebuild();
    this.freeSectors += length;
    this.rawBlocks += Math.floor(length / this.rawSectors);
  }

  /** Forgets entries of holes that are gone: a heap is at most twice as long as what is there. */
  private rebuild(): void {
    for (const heap of this.heaps) heap.clear();
    for (const [begin, length] of this.lengthAt) this.heaps[this.heapOf(length)]!.add(begin);
  }

  private remove(begin: number): void {
    const length = this.lengthOf(begin);
    this.lengthAt.delete(begin);
    this.beginOfEnd.delete(begin + length);
    this.freeSectors -= length;
    this.rawBlocks -= Math.floor(length / this.rawSectors);
  }
}
