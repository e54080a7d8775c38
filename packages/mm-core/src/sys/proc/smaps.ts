import { VM_HUGETLB, VM_LOCKED, VM_SHARED, VM_WRITE } from '../../abi/mman.js';
import { PG_anon, PG_dirty, PG_ksm, PG_swapbacked } from '../../abi/page-flags.js';
import {
  isMigrationType,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_SPECIAL,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_SWAP,
  PTE_UNADDRESSABLE,
  pteHoldsPage,
  pteMapsPage,
  pteType,
} from '../../abi/pte.js';
import { createToken, inject, injectable } from '../../base/di.js';
import { type FolioTable, FolioTableToken } from '../../mem/folio-table.js';
import { type Ptes, PtesToken } from '../../mem/ptes.js';
import { type MmStruct, pageIndex, type Vma } from '../../mem/vma.js';
import { type EntryTypes, EntryTypesToken } from '../../mm/entry-types.js';
import { type Swap, SwapToken } from '../../mm/swap.js';

/** What smaps counts of an area; every number is pages but where it says otherwise. */
export interface Smaps {
  rss: number;
  /** Pages, each divided by its mappings. */
  pss: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  referenced: number;
  anonymous: number;
  ksm: number;
  lazyFree: number;
  anonHugePages: number;
  /** Pages of shared memory behind huge entries. */
  shmemPmdMapped: number;
  sharedHugetlb: number;
  privateHugetlb: number;
  swap: number;
  swapPss: number;
  /** As `pss`, of locked areas. */
  locked: number;
}

/** /proc/PID/smaps (fs/proc/task_mmu.c:smap_gather_stats). */
@injectable()
export class ProcSmaps {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
  ) {}

  /** Counts the entries of one area. */
  gather(mm: MmStruct, vma: Vma): Smaps {
    const smaps = noPages();
    this.ptes.walk(mm.id, vma.start, vma.end, (slot) => this.entry(slot, vma, smaps));
    this.addSwappedFilePages(mm, vma, smaps);
    if ((vma.flags & VM_LOCKED) !== 0) smaps.locked = smaps.pss;
    return smaps;
  }

  private entry(slot: number, vma: Vma, smaps: Smaps): void {
    const bits = this.ptes.usedBits(slot);
    const value = this.ptes.value[slot]!;
    if (pteMapsPage(bits)) {
      if ((bits & PTE_SPECIAL) !== 0) return;
      if ((vma.flags & VM_HUGETLB) !== 0) this.hugetlbPage(value, smaps);
      else this.page(slot, bits, value, smaps);
      return;
    }
    const type = pteType(bits);
    if (type === PTE_TYPE_SWAP) {
      smaps.swap += 1;
      smaps.swapPss += shareOf(Math.max(1, this.swap.entryCount(value)));
    } else if (pteHoldsPage(bits) || isMigrationType(type) || type === PTE_TYPE_HWPOISON) {
      this.page(slot, bits, value, smaps);
    }
  }

  /**
   * One page (smaps_account): an entry without a mapping, such as poison, counts whole and as
   * shared unless nobody else holds the page.
   */
  private page(slot: number, bits: number, pfn: number, smaps: Smaps): void {
    const { table } = this;
    const folio = table.head(pfn);
    smaps.rss += 1;
    const anon = table.has(folio, PG_anon);
    // A bit of the offset in a PMD that is not present reads as a dirty one (pmd_dirty on x86).
    const isAbsentPmd = this.ptes.isHuge(slot) && !pteMapsPage(bits);
    const dirty = (bits & PTE_DIRTY) !== 0 || table.has(folio, PG_dirty) || isAbsentPmd;
    if (anon) smaps.anonymous += 1;
    if (table.has(pfn, PG_ksm)) smaps.ksm += 1;
    if (anon && !table.has(folio, PG_swapbacked) && !dirty) smaps.lazyFree += 1;
    if ((bits & PTE_ACCESSED) !== 0) smaps.referenced += 1;
    if (this.ptes.isHuge(slot)) smaps[anon ? 'anonHugePages' : 'shmemPmdMapped'] += 1;
    const mapped = pteMapsPage(bits) || (bits & PTE_UNADDRESSABLE) !== 0;
    const isVague = this.isVague(slot, bits);
    const mappings = mapped && !isVague ? table.mapcount[pfn]! : 1;
    const alone = mapped
      ? mappings < 2 && !isVague
      : table.refcount[folio] === 1 && !poisoned(bits);
    smaps.pss += shareOf(mappings);
    if (alone) smaps[dirty ? 'privateDirty' : 'privateClean'] += 1;
    else smaps[dirty ? 'sharedDirty' : 'sharedClean'] += 1;
  }

  /**
   * Does the entry not say who shares its folio? So it is with a PMD that is not present
   * (smaps_pmd_entry), and with a plugin's entry that does not count as present
   * (smaps_pte_entry).
   */
  private isVague(slot: number, bits: number): boolean {
    if (pteMapsPage(bits) || (bits & PTE_UNADDRESSABLE) === 0) return false;
    return this.ptes.isHuge(slot) || this.entryTypes.get(pteType(bits))?.sharing !== 'mapcount';
  }

  private hugetlbPage(pfn: number, smaps: Smaps): void {
    smaps[this.table.mapcount[pfn]! < 2 ? 'privateHugetlb' : 'sharedHugetlb'] += 1;
  }

  /**
   * Pages of shared memory that are in swap have no entry. A shared or read-only area counts the
   * file's; a private writable one those behind its holes (smaps_pte_hole).
   */
  private addSwappedFilePages(mm: MmStruct, vma: Vma, smaps: Smaps): void {
    if (vma.file === null || vma.file.swapped.size === 0) return;
    const counts = (vma.flags & VM_SHARED) !== 0 || (vma.flags & VM_WRITE) === 0;
    for (let vpn = vma.start; vpn < vma.end; vpn++) {
      if (!vma.file.swapped.has(pageIndex(vma, vpn))) continue;
      const slot = this.ptes.find(mm.id, vpn);
      const hole = slot < 0 || this.ptes.bits[slot] === 0;
      if (counts || hole) smaps.swap += 1;
    }
  }
}
export const ProcSmapsToken = createToken<ProcSmaps>('ProcSmaps');

function poisoned(bits: number): boolean {
  return pteType(bits) === PTE_TYPE_HWPOISON;
}

/** Of a page in 2^24 parts, which is what the kernel counts in (PAGE_SIZE << PSS_SHIFT). */
const PARTS = 2 ** 24;

/** What one of several users has of a page, rounded down. */
function shareOf(users: number): number {
  return Math.floor(PARTS / users) / PARTS;
}

function noPages(): Smaps {
  return {
    rss: 0,
    pss: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    referenced: 0,
    anonymous: 0,
    ksm: 0,
    lazyFree: 0,
    anonHugePages: 0,
    shmemPmdMapped: 0,
    sharedHugetlb: 0,
    privateHugetlb: 0,
    swap: 0,
    swapPss: 0,
    locked: 0,
  };
}
