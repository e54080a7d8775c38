import { VM_SOFTDIRTY } from '../../abi/mman.js';
import { PG_anon } from '../../abi/page-flags.js';
import {
  isMigrationType,
  PTE_MARKER_GUARD,
  PTE_MARKER_UFFD_WP,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_MARKER,
  PTE_UFFD_WP,
  pteHoldsPage,
  pteMapsPage,
  pteType,
} from '../../abi/pte.js';
import { createToken, inject, injectable } from '../../base/di.js';
import { type FolioTable, FolioTableToken } from '../../mem/folio-table.js';
import { type Ptes, PtesToken } from '../../mem/ptes.js';
import type { MmStruct } from '../../mem/vma.js';

/** What /proc/PID/pagemap says of one virtual page. */
export interface PagemapEntry {
  readonly present: boolean;
  readonly swapped: boolean;
  /** A page of a file or of shared memory. */
  readonly file: boolean;
  /** Mapped once. */
  readonly exclusive: boolean;
  readonly softDirty: boolean;
  readonly uffdWp: boolean;
  readonly guard: boolean;
  /** Its page number; -1 where nothing is present. The zero page is 0. */
  readonly pfn: number;
}

/** /proc/PID/pagemap (fs/proc/task_mmu.c:pte_to_pagemap_entry). */
@injectable()
export class ProcPagemap {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
  ) {}

  read(mm: MmStruct, vpn: number): PagemapEntry {
    const slot = this.ptes.find(mm.id, vpn);
    const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
    const value = slot < 0 ? 0 : this.ptes.value[slot]!;
    const present = pteMapsPage(bits);
    const type = pteType(bits);
    const pfn = this.pageOf(bits, type, value);
    const fresh = ((mm.find(vpn)?.flags ?? 0) & VM_SOFTDIRTY) !== 0;
    const marker = type === PTE_TYPE_MARKER ? value : 0;
    return {
      present,
      swapped: !present && bits !== 0,
      file: pfn >= 0 && !this.table.has(this.table.head(pfn), PG_anon),
      exclusive: pfn >= 0 && present && this.isMappedOnce(slot, pfn),
      softDirty: fresh || (bits & PTE_SOFT_DIRTY) !== 0,
      uffdWp: (bits & PTE_UFFD_WP) !== 0 || (marker & PTE_MARKER_UFFD_WP) !== 0,
      guard: (marker & PTE_MARKER_GUARD) !== 0,
      pfn: present ? Math.max(pfn, 0) : -1,
    };
  }

  /** A huge entry is asked by its first page (pagemap_pmd_range_thp). */
  private isMappedOnce(slot: number, pfn: number): boolean {
    return this.table.mapcount[this.ptes.isHuge(slot) ? this.table.head(pfn) : pfn] === 1;
  }

  /** The page behind an entry, or -1: none, or the zero page, which belongs to nobody. */
  private pageOf(bits: number, type: number, value: number): number {
    if (pteMapsPage(bits)) return (bits & PTE_SPECIAL) !== 0 ? -1 : value;
    const named = pteHoldsPage(bits) || isMigrationType(type) || type === PTE_TYPE_HWPOISON;
    return named ? value : -1;
  }
}
export const ProcPagemapToken = createToken<ProcPagemap>('ProcPagemap');
