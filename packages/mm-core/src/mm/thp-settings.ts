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
import type { AddressSpace } from '../mem/address-space.js';
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

/** /sys/kernel/mm/transparent_hugepage/hugepages-<size>kB/shmem_enabled. */
export const SHMEM_SIZE_ENABLED = ['always', 'inherit', 'within_size', 'advise', 'never'] as const;
export type ShmemSizeEnabled = (typeof SHMEM_SIZE_ENABLED)[number];

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
 * (mm/huge_memory.c:__thp_vma_allowable_orders, vma_thp_gfp_mask; mm/shmem.c).
 */
@injectable()
export class ThpSettings {
  enabled: ThpEnabled;
  defrag: ThpDefrag = 'madvise';
  use_zero_page = true;
  shrink_underused = true;
  shmem_enabled: ShmemEnabled = 'never';
  /** How the kernel's own tmpfs is mounted; `deny` and `force` leave it as it is. */
  shmemMount: ShmemEnabled = 'never';
  /** For shared anonymous memory, by order. */
  readonly shmemSizes = new Map<number, ShmemSizeEnabled>();
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
    for (let order = 1; order < PMD_ORDER; order++) this.shmemSizes.set(order, 'never');
    this.shmemSizes.set(PMD_ORDER, 'inherit');
    if (sysctl.thp_order > 0) this.sizes.set(sysctl.thp_order, 'madvise');
  }

  /** Is any area allowed to have huge pages of PMD order (hugepage_enabled)? */
  pmdEnabled(): boolean {
    return this.isAnonEnabled() || this.isShmemEnabled();
  }

  /** shmem_enabled_store. */
  setShmemEnabled(choice: ShmemEnabled): void {
    this.shmem_enabled = choice;
    if (choice !== 'deny' && choice !== 'force') this.shmemMount = choice;
  }

  /** shmem_hpage_pmd_enabled. */
  private isShmemEnabled(): boolean {
    const size = this.shmemSizes.get(PMD_ORDER);
    if (this.shmem_enabled === 'deny' || size === 'never') return false;
    return size !== 'inherit' || this.shmem_enabled !== 'never';
  }

  private isAnonEnabled(): boolean {
    const size = this.sizes.get(PMD_ORDER);
    if (size === 'inherit') return this.enabled !== 'never';
    return size !== 'never';
  }

  /**
   * Which of `orders` (a mask) the area may have. A fault tests alignment itself; others are told
   * whether the area holds an aligned block at all.
   */
  allowableOrders(mm: MmStruct, vma: Vma, asker: ThpAsker, orders: number): number {
    const isForced = asker === 'forced_collapse';
    const isFault = asker === 'pagefault';
    if (vma.file !== null) return isFault ? 0 : this.fileOrders(mm, vma, orders, isForced);
    let left = orders;
    if (!isForced) left = this.sysfsOrders(vma, left);
    if (left === 0 || isDisabled(mm, vma, isForced)) return 0;
    if (!isFault && (vma.flags & VM_NO_KHUGEPAGED) !== 0) return 0;
    if (!isFault) left = suitableOrders(vma, left);
    if (isFault || asker === 'smaps') return left;
    return vma.anonVma === null ? 0 : left;
  }

  /** Of files only shared memory is collapsed here. */
  private fileOrders(mm: MmStruct, vma: Vma, orders: number, isForced: boolean): number {
    if (vma.file?.kind !== 'shmem' || (vma.flags & VM_NO_KHUGEPAGED) !== 0) return 0;
    const left = suitableOrders(vma, orders);
    const area = { mm, vma };
    return left & this.shmemOrders(vma.file, vma.pgoff, area, isForced ? 'forced' : 'by files');
  }

  /**
   * Orders that a page of shared memory may have (shmem_allowable_huge_orders). All of it is what
   * no name leads to, a memfd too (vma_is_anon_shmem).
   * @param area who maps it; null for a system call on the file
   * @param rule MADV_COLLAPSE asks for huge pages whatever the files say, short of `deny`
   */
  shmemOrders(
    file: AddressSpace,
    index: number,
    area: { readonly mm: MmStruct; readonly vma: Vma } | null,
    rule: 'by files' | 'forced',
  ): number {
    const isForced = rule === 'forced';
    if (area !== null && isDisabled(area.mm, area.vma, isForced)) return 0;
    const isAdvised = area !== null && (area.vma.flags & VM_HUGEPAGE) !== 0;
    const general = this.mountOrders(file, index, isAdvised, isForced);
    if (area === null || isForced) return general;
    if (this.shmem_enabled === 'deny') return 0;
    let mask = 0;
    for (const [order, size] of this.shmemSizes) {
      const bit = 1 << order;
      const inherits = size === 'inherit' && (general !== 0 || this.shmem_enabled === 'force');
      const always = size === 'always' && this.shmem_enabled !== 'force';
      const byAdvice = size === 'advise' && isAdvised && this.shmem_enabled !== 'force';
      if (inherits || always || byAdvice) mask |= bit;
      else if (size === 'within_size' && fits(file, index, bit)) mask |= bit;
    }
    return mask;
  }

  /** What the mount allows (shmem_huge_global_enabled). */
  private mountOrders(
    file: AddressSpace,
    index: number,
    isAdvised: boolean,
    isForced: boolean,
  ): number {
    if (this.shmem_enabled === 'deny') return 0;
    if (isForced || this.shmem_enabled === 'force') return 1 << PMD_ORDER;
    if (this.shmemMount === 'always') return ALL_FILE_ORDERS;
    const isWithin = this.shmemMount === 'within_size' ? fits(file, index, ALL_FILE_ORDERS) : 0;
    if (isWithin !== 0) return isWithin;
    const asks = this.shmemMount === 'within_size' || this.shmemMount === 'advise';
    return asks && isAdvised ? ALL_FILE_ORDERS : 0;
  }

  /** What the files allow for anonymous memory (thp_vma_allowable_orders). */
  private sysfsOrders(vma: Vma, orders: number): number {
    const advised = (vma.flags & VM_HUGEPAGE) !== 0;
    const inherits = this.enabled === 'always' || (advised && this.enabled === 'madvise');
    let mask = 0;
    for (let order = 1; order <= PMD_ORDER; order++) {
      if ((orders & (1 << order)) === 0) continue;
      const size = this.sizes.get(order);
      const byAdvice = size === 'madvise' && advised;
      if (size === 'always' || byAdvice || (size === 'inherit' && inherits)) mask |= 1 << order;
    }
    return mask;
  }

  /** Flags of the allocation for a fault (vma_thp_gfp_mask). */
  gfpMask(vma: Vma | null): number {
    const advised = vma !== null && (vma.flags & VM_HUGEPAGE) !== 0;
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

/** Every order of a folio of a file (THP_ORDERS_ALL_FILE_DEFAULT). */
const ALL_FILE_ORDERS = (1 << (PMD_ORDER + 1)) - 2;

/** Of `orders` those from the largest on whose block ends inside of the file. */
function fits(file: AddressSpace, index: number, orders: number): number {
  for (let order = PMD_ORDER; order > 0; order--) {
    const pages = 1 << order;
    if ((orders & pages) === 0) continue;
    if ((Math.floor(index / pages) + 1) * pages <= file.sizePages) {
      return orders & ((pages << 1) - 1);
    }
  }
  return 0;
}

/** vma_thp_disabled; a stack that is being set up has no areas here yet. */
function isDisabled(mm: MmStruct, vma: Vma, isForced: boolean): boolean {
  if ((vma.flags & (VM_NOHUGEPAGE | VM_GROWSDOWN)) !== 0) return true;
  if (mm.thpDisabled === 'completely') return true;
  if ((vma.flags & VM_HUGEPAGE) !== 0 || isForced) return false;
  return mm.thpDisabled === 'except-advised';
}

/** A block of a file has to be aligned in the file as it is in the area. */
function isAlignedInFile(vma: Vma, pages: number): boolean {
  return vma.file === null || (vma.start - vma.pgoff) % pages === 0;
}

/** The orders of which the area holds an aligned block. */
function suitableOrders(vma: Vma, orders: number): number {
  let left = 0;
  for (let order = 1; order <= PMD_ORDER; order++) {
    if ((orders & (1 << order)) === 0) continue;
    const pages = 1 << order;
    const first = Math.ceil(vma.start / pages) * pages;
    if (first + pages <= vma.end && isAlignedInFile(vma, pages)) left |= 1 << order;
  }
  return left;
}

/** Does the aligned block of `order` around a page lie inside the area (thp_vma_suitable_order)? */
export function isSuitable(vma: Vma, vpn: number, order: number): boolean {
  const pages = 1 << order;
  const first = Math.floor(vpn / pages) * pages;
  return isAlignedInFile(vma, pages) && first >= vma.start && first + pages <= vma.end;
}
