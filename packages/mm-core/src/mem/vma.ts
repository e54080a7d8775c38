import { VM_EXEC, VM_READ, VM_WRITE } from '../abi/mman.js';
import type { TaskStruct } from './task-struct.js';

/**
 * What a program asked for in [start, end) (struct vm_area_struct); what is materialised of it
 * stands in the page table. Invariant between the two: every non-empty entry of an address space
 * lies inside one of its vmas.
 */
export interface Vma {
  /** First virtual page. */
  readonly start: number;
  /** First virtual page behind it. */
  readonly end: number;
  /** VM_* bits. */
  readonly flags: number;
  /** Memory policy, or null for the task's; owned by whoever implements mempolicy. */
  readonly policy: object | null;
}

/** One address space (struct mm_struct). */
export class MmStruct {
  /** Sorted by start, never overlapping, neighbours with equal flags and policy merged. */
  vmas: readonly Vma[] = [];
  /** Present pages, the zero page not counted (MM_ANONPAGES). */
  rss = 0;
  /** Swap entries (MM_SWAPENTS). */
  swapents = 0;
  /** Other CPUs that may cache translations: each costs an IPI per flush. */
  activeCpus = 1;
  /** The task its pages are charged to (mm->owner); null before there is one. */
  ownerTask: TaskStruct | null = null;

  constructor(
    /** 1, 2, 3 … */
    readonly id: number,
    readonly name: string,
  ) {}

  /** The vma that holds `vpn`, or null (vma_lookup). */
  find(vpn: number): Vma | null {
    const at = this.firstEndingAfter(vpn);
    const vma = this.vmas[at];
    return vma !== undefined && vma.start <= vpn ? vma : null;
  }

  /** The parts of vmas inside [start, end), clipped, in order. */
  within(start: number, end: number): Vma[] {
    const parts: Vma[] = [];
    for (let at = this.firstEndingAfter(start); at < this.vmas.length; at++) {
      const vma = this.vmas[at];
      if (vma === undefined || vma.start >= end) break;
      parts.push({ ...vma, start: Math.max(vma.start, start), end: Math.min(vma.end, end) });
    }
    return parts;
  }

  /** Is every page of [start, end) inside some vma? */
  covers(start: number, end: number): boolean {
    let at = start;
    for (const part of this.within(start, end)) {
      if (part.start > at) return false;
      at = part.end;
    }
    return at >= end;
  }

  /**
   * Replaces what stands in [start, end) by `parts`, splitting and merging at the edges (vma_merge,
   * split_vma).
   */
  replace(start: number, end: number, parts: readonly Vma[]): void {
    const before = this.vmas.filter((vma) => vma.end <= start);
    const after = this.vmas.filter((vma) => vma.start >= end);
    for (const vma of this.vmas) {
      if (vma.start < start && vma.end > start) before.push({ ...vma, end: start });
      if (vma.end > end && vma.start < end) after.unshift({ ...vma, start: end });
    }
    this.vmas = mergeNeighbours([...before, ...parts, ...after]);
  }

  private firstEndingAfter(vpn: number): number {
    let low = 0;
    let high = this.vmas.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.vmas[middle]?.end ?? Infinity) <= vpn) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * May the vma be read (or written)? x86 has no write-only and no execute-only pages, so a load is
 * allowed where anything is (arch/x86/mm/fault.c:access_error, vma_is_accessible).
 */
export function vmaAllows(vma: Vma, write: boolean): boolean {
  return (vma.flags & (write ? VM_WRITE : VM_READ | VM_WRITE | VM_EXEC)) !== 0;
}

function mergeNeighbours(vmas: readonly Vma[]): Vma[] {
  const merged: Vma[] = [];
  for (const vma of vmas) {
    const last = merged[merged.length - 1];
    const joins =
      last !== undefined &&
      last.end === vma.start &&
      last.flags === vma.flags &&
      last.policy === vma.policy;
    if (joins) merged[merged.length - 1] = { ...last, end: vma.end };
    else merged.push(vma);
  }
  return merged;
}
