import {
  __GFP_DIRECT_RECLAIM,
  __GFP_KSWAPD_RECLAIM,
  __GFP_NORETRY,
  GFP_TRANSHUGE,
  GFP_TRANSHUGE_LIGHT,
} from '../abi/gfp.js';
import {
  VM_DONTEXPAND,
  VM_GROWSDOWN,
  VM_HUGEPAGE,
  VM_HUGETLB,
  VM_NOHUGEPAGE,
} from '../abi/mman.js';
import { PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { Sysctl } from './sysctl.js';

/** /sys/kernel/mm/transparent_hugepage/enabled. */
export const THP_ENABLED = ['always', 'madvise', 'never'] as const;
export type ThpEnabled = (typeof THP_ENABLED)[number];
/** /sys/kernel/mm/transparent_hugepage/hugepages-<size>kB/enabled. */
export const THP_SIZE_ENABLED = ['always', 'inherit', 'madvise', 'never'] as const;
export type ThpSizeEnabled = (typeof THP_SIZE_ENABLED)[number];
/** /sys/kernel/mm/transparent_hugepage/defrag. */
export const THP_DEFRAG = ['always', 'defer', 'defer+madvise', 'madvise', 'never'] as const;
export type ThpDefrag = (typeof THP_DEFRAG)[number];
/** /sys/kernel/mm/transparent_hugepage/shmem_enabled. */
export const SHMEM_ENABLED = ['always', 'within_size', 'advise', 'never', 'deny', 'force'] as const;
export type ShmemEnabled = (typeof SHMEM_ENABLED)[number];

/** Who asks for large folios (enum tva_type). */
export type ThpAsker = 'smaps' | 'pagefault' | 'khugepaged' | 'forced_collapse';

/** Tunables of khugepaged under the names of its files. */
export interface KhugepagedSettings {
  defrag: boolean;
  pages_to_scan: number;
  scan_sleep_millisecs: number;
  alloc_sleep_millisecs: number;
  max_ptes_none: number;
  max_ptes_swap: number;
  max_ptes_shared: number;
}

/**
 * The switches of /sys/kernel/mm/transparent_hugepage, and which orders they allow
 * (mm/huge_memory.c:__thp_vma_allowable_orders, vma_thp_gfp_mask). Simplified: no switches per size
 * for shared memory.
 */
@injectable()
export class ThpSettings {
  enabled: ThpEnabled;
  defrag: ThpDefrag = 'madvise';
  use_zero_page = true;
  shrink_underused = true;
  shmem_enabled: ShmemEnabled = 'never';
  /** By order; order 1 is ours alone, the kernel has no such file. */
  readonly sizes = new Map<number, ThpSizeEnabled>();
  readonly khugepaged: KhugepagedSettings = {
    defrag: true,
    pages_to_scan: 4096,
    scan_sleep_millisecs: 10_000,
    alloc_sleep_millisecs: 60_000,
    max_ptes_none: 511,
    max_ptes_swap: 64,
    max_ptes_shared: 256,
  };

  /** Told of an area that khugepaged may scan from now on (khugepaged_enter_vma). */
  onScannable: (mm: MmStruct, vma: Vma) => void = () => undefined;

  constructor(@inject(Sysctl) sysctl: Sysctl) {
    this.enabled = sysctl.thp_enabled;
    for (let order = 1; order < PMD_ORDER; order++) this.sizes.set(order, 'never');
    this.sizes.set(PMD_ORDER, 'inherit');
    if (sysctl.thp_order > 0) this.sizes.set(sysctl.thp_order, 'madvise');
  }

  /** Is any area allowed to have huge pages of PMD order (hugepage_pmd_enabled)? */
  pmdEnabled(): boolean {
    const size = this.sizes.get(PMD_ORDER);
    if (size === 'inherit') return this.enabled !== 'never';
    return size !== 'never';
  }

  /**
   * Which of `orders` (a mask) the area may have. A fault tests alignment itself; others are told
   * whether the area holds an aligned block at all.
   */
  allowableOrders(mm: MmStruct, vma: Vma, asker: ThpAsker, orders: number): number {
    if (vma.file !== null) return 0;
    let left = orders;
    if (asker !== 'forced_collapse') left &= this.sysfsOrders(vma);
    if (left === 0 || isDisabled(mm, vma, asker === 'forced_collapse')) return 0;
    const isFault = asker === 'pagefault';
    if (!isFault && (vma.flags & VM_NO_KHUGEPAGED) !== 0) return 0;
    if (!isFault) left = suitableOrders(vma, left);
    if (isFault || asker === 'smaps') return left;
    return vma.anonVma === null ? 0 : left;
  }

  /** What the files allow for anonymous memory (thp_vma_allowable_orders). */
  private sysfsOrders(vma: Vma): number {
    const advised = (vma.flags & VM_HUGEPAGE) !== 0;
    const inherits = this.enabled === 'always' || (advised && this.enabled === 'madvise');
    let mask = 0;
    for (const [order, size] of this.sizes) {
      const byAdvice = size === 'madvise' && advised;
      if (size === 'always' || byAdvice || (size === 'inherit' && inherits)) mask |= 1 << order;
    }
    return mask;
  }

  /** Flags of the allocation for a fault (vma_thp_gfp_mask). */
  gfpMask(vma: Vma): number {
    const advised = (vma.flags & VM_HUGEPAGE) !== 0;
    const light = GFP_TRANSHUGE_LIGHT;
    switch (this.defrag) {
      case 'always':
        return GFP_TRANSHUGE | (advised ? 0 : __GFP_NORETRY);
      case 'defer':
        return light | __GFP_KSWAPD_RECLAIM;
      case 'defer+madvise':
        return light | (advised ? __GFP_DIRECT_RECLAIM : __GFP_KSWAPD_RECLAIM);
      case 'madvise':
        return light | (advised ? __GFP_DIRECT_RECLAIM : 0);
      case 'never':
        return light;
    }
  }
}
export const ThpSettingsToken = createToken<ThpSettings>('ThpSettings');

/** Areas that khugepaged leaves alone, of those that exist here (VM_NO_KHUGEPAGED). */
const VM_NO_KHUGEPAGED = VM_DONTEXPAND | VM_HUGETLB;

/** vma_thp_disabled; a stack that is being set up has no areas here yet. */
function isDisabled(mm: MmStruct, vma: Vma, isForced: boolean): boolean {
  if ((vma.flags & (VM_NOHUGEPAGE | VM_GROWSDOWN)) !== 0) return true;
  if (mm.thpDisabled === 'completely') return true;
  if ((vma.flags & VM_HUGEPAGE) !== 0 || isForced) return false;
  return mm.thpDisabled === 'except-advised';
}

/** The orders of which the area holds an aligned block. */
function suitableOrders(vma: Vma, orders: number): number {
  let left = 0;
  for (let order = 1; order <= PMD_ORDER; order++) {
    if ((orders & (1 << order)) === 0) continue;
    const pages = 1 << order;
    const first = Math.ceil(vma.start / pages) * pages;
    if (first + pages <= vma.end) left |= 1 << order;
  }
  return left;
}

/** Does the aligned block of `order` around a page lie inside the area (thp_vma_suitable_order)? */
export function isSuitable(vma: Vma, vpn: number, order: number): boolean {
  const pages = 1 << order;
  const first = Math.floor(vpn / pages) * pages;
  return first >= vma.start && first + pages <= vma.end;
}
