import {
  VM_ACCESS_FLAGS,
  VM_EXEC,
  VM_RAND_READ,
  VM_READ,
  VM_SEQ_READ,
  VM_WRITE,
} from '../abi/mman.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import type { AddressSpace } from './address-space.js';
import type { AnonVma } from './anon-vma.js';
import type { FileRaState } from './file-ra-state.js';
import type { Policy } from './policy.js';
import type { TaskStruct } from './task-struct.js';
import type { UserfaultfdCtx } from './userfaultfd.js';
import { anonVmaFor, mergedVma } from './vma-merge.js';

/**
 * What a program asked for in [start, end) (struct vm_area_struct); what is materialised of it
 * stands in the page table. Invariant between the two: every non-empty entry of an address space
 * lies inside one of its vmas. A vma is never changed, only replaced.
 */
export interface Vma {
  /** First virtual page. */
  readonly start: number;
  /** First virtual page behind it. */
  readonly end: number;
  /** VM_* bits. */
  readonly flags: number;
  /** Memory policy, or null for the task's. */
  readonly policy: Policy | null;
  /** Page index of `start` in the file; of anonymous memory the page it was made at (vm_pgoff). */
  readonly pgoff: number;
  /** The same for the private pages of a file's area (vma_start_anon_pgoff); they keep it. */
  readonly anonPgoff: number;
  /** The file it maps; null = private anonymous memory. Shared anonymous memory has a file. */
  readonly file: AddressSpace | null;
  /** Readahead state of the open file (vm_file->f_ra); null = the file's own. */
  readonly ra: FileRaState | null;
  /** Set by the first private page in it. */
  readonly anonVma: AnonVma | null;
  /** The userfaultfd it is registered with. */
  readonly uffd: UserfaultfdCtx | null;
}

/** A new area of private anonymous memory without policy. */
export function anonymousVma(start: number, end: number, flags: number): Vma {
  const nothing = { policy: null, file: null, ra: null, anonVma: null, uffd: null };
  return { start, end, flags, pgoff: start, anonPgoff: start, ...nothing };
}

/**
 * Does use say that its pages will be used again? Not where it is read in sequence or at random
 * (vma_has_recency).
 */
export function hasRecency(vma: Vma): boolean {
  return (vma.flags & (VM_SEQ_READ | VM_RAND_READ)) === 0;
}

/** The part of an area in [start, end); its page offsets move along (split_vma). */
export function clipVma(vma: Vma, start: number, end: number): Vma {
  const moved = start - vma.start;
  return { ...vma, start, end, pgoff: vma.pgoff + moved, anonPgoff: vma.anonPgoff + moved };
}

/** Page index in the file of a virtual page (linear_page_index). */
export function pageIndex(vma: Vma, vpn: number): number {
  return vma.pgoff + (vpn - vma.start);
}

/** One address space (struct mm_struct). */
export class MmStruct {
  /** Sorted by start, never overlapping, neighbours with equal flags and policy merged. */
  vmas: readonly Vma[] = [];
  /** Present pages, the zero page not counted (MM_ANONPAGES). */
  rss = 0;
  /** Most of `rss` before something was unmapped (hiwater_rss). */
  peakRss = 0;
  /** Most pages that areas had before some went away (hiwater_vm). */
  peakVm = 0;
  /** Pages of the hugetlb pool that are mapped (hugetlb_usage). */
  hugetlbPages = 0;
  /** Swap entries (MM_SWAPENTS). */
  swapents = 0;
  /** VM_LOCKED and VM_LOCKONFAULT that mlockall gives every new area (mm->def_flags). */
  defFlags = 0;
  /** Other CPUs that may cache translations: each costs an IPI per flush. */
  activeCpus = 1;
  /** prctl(PR_SET_THP_DISABLE): no huge pages at all, or none where nobody advised them. */
  thpDisabled: 'completely' | 'except-advised' | null = null;
  /** Does khugepaged look at it (MMF_VM_HUGEPAGE)? */
  khugepaged = false;
  /** Does ksmd look at it (MMF_VM_MERGEABLE)? */
  ksmMergeable = false;
  /** prctl(PR_SET_MEMORY_MERGE): every area that may be is mergeable (MMF_VM_MERGE_ANY). */
  ksmMergeAny = false;
  /**
   * Told where an area begins or ends that did not before (vma_adjust_trans_huge), and whether one
   * area held the whole PMD until then.
   */
  onEdge: (vpn: number, heldPmd: boolean) => void = () => undefined;
  /** Told where areas went away (free_pgtables). */
  onUnmap: (start: number, end: number) => void = () => undefined;
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
      parts.push(clipVma(vma, Math.max(vma.start, start), Math.min(vma.end, end)));
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
   * Replaces what stands in [start, end) by `parts`, splitting at the edges and merging the parts
   * with each other and with the neighbours where they may (vma_merge, split_vma). Areas further
   * away are left as they are, even if they could be one.
   */
  replace(start: number, end: number, parts: readonly Vma[]): void {
    this.peakVm = Math.max(this.peakVm, pagesOf(this.vmas));
    const edges = [start, ...parts.map((part) => part.end), end];
    const held = edges.map((vpn) => holdsPmd(this.find(vpn), vpn));
    this.replaceAreas(start, end, parts);
    for (const [at, vpn] of edges.entries()) this.edgeAt(vpn, held[at]!);
    if (parts.length === 0) this.onUnmap(start, end);
  }

  /** Makes two of the area that `vpn` is inside of; nothing merges (split_vma). */
  splitAt(vpn: number): void {
    const vma = this.find(vpn);
    if (vma === null || vma.start === vpn) return;
    const halves = [clipVma(vma, vma.start, vpn), clipVma(vma, vpn, vma.end)];
    this.vmas = this.vmas.flatMap((other) => (other === vma ? halves : [other]));
    this.onEdge(vpn, holdsPmd(vma, vpn));
  }

  /** Gives an area other properties; nothing merges. */
  exchange(vma: Vma, fresh: Vma): void {
    this.vmas = this.vmas.map((other) => (other === vma ? fresh : other));
  }

  private edgeAt(vpn: number, heldPmd: boolean): void {
    const vma = this.find(vpn);
    if (vma === null || vma.start === vpn) this.onEdge(vpn, heldPmd);
  }

  private replaceAreas(start: number, end: number, parts: readonly Vma[]): void {
    const before: Vma[] = [];
    const after: Vma[] = [];
    for (const vma of this.vmas) {
      if (vma.start < start) before.push(clipVma(vma, vma.start, Math.min(vma.end, start)));
      if (vma.end > end) after.push(clipVma(vma, Math.max(vma.start, end), vma.end));
    }
    if (parts.length === 0) {
      this.vmas = [...before, ...after];
      return;
    }
    const joined: Vma[] = [];
    const last = before.pop();
    const first = after.shift();
    const near = [...(last ? [last] : []), ...parts, ...(first ? [first] : [])];
    for (const vma of near) {
      const previous = joined[joined.length - 1];
      const merged = previous === undefined ? null : mergedVma(previous, vma);
      if (merged === null) joined.push(vma);
      else joined[joined.length - 1] = merged;
    }
    this.vmas = [...before, ...joined, ...after];
  }

  /**
   * The vma at `vpn` with an anon_vma, made or borrowed from a neighbour if it has none yet
   * (mm/rmap.c:anon_vma_prepare). Nothing merges.
   */
  prepareAnonVma(vma: Vma): Vma {
    if (vma.anonVma !== null) return vma;
    const at = this.firstEndingAfter(vma.start);
    const anonVma = anonVmaFor(vma, this.vmas[at - 1], this.vmas[at + 1]);
    const prepared = { ...vma, anonVma };
    this.vmas = this.vmas.map((other, index) => (index === at ? prepared : other));
    return prepared;
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

/** Pages of areas together. */
function pagesOf(areas: readonly Vma[]): number {
  let pages = 0;
  for (const { start, end } of areas) pages += end - start;
  return pages;
}

/**
 * May the vma be read (or written)? x86 has no write-only pages, so a load is allowed where a store
 * is; an area for execution alone is closed by a protection key (arch/x86/mm/fault.c:access_error,
 * arch/x86/mm/pkeys.c:__execute_only_pkey).
 */
export function vmaAllows(vma: Vma, write: boolean): boolean {
  return (vma.flags & (write ? VM_WRITE : VM_READ | VM_WRITE)) !== 0;
}

/** Is the area closed by the key that stands for execution alone? */
export function isExecuteOnly({ flags }: Vma): boolean {
  return (flags & VM_ACCESS_FLAGS) === VM_EXEC;
}

/** Does an area hold all of the PMD that `vpn` lies inside of (split_huge_pmd_if_needed)? */
function holdsPmd(vma: Vma | null, vpn: number): boolean {
  const first = vpn - (vpn % PTRS_PER_PTE);
  return vma !== null && first < vpn && vma.start <= first && vma.end >= first + PTRS_PER_PTE;
}
