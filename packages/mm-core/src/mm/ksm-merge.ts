import { ENOMEM } from '../abi/errno.js';
import {
  PG_anon,
  PG_anon_exclusive,
  PG_dirty,
  PG_hwpoison,
  PG_isolated,
  PG_ksm,
  PG_swapcache,
} from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_SPECIAL,
  PTE_WRITE,
  PTE_WRITTEN,
  pteMapsNormalPage,
  pteMapsPage,
} from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_KSM } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import {
  type FolioTable,
  FolioTableToken,
  VERSION_LOST,
  VERSION_ZERO,
} from '../mem/folio-table.js';
import type { RmapItem } from '../mem/ksm-node.js';
import { presenceIn } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { zeroEntryIn } from './anon-fault.js';
import { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type Work, WorkToken } from './work.js';
import { type WriteFault, WriteFaultToken } from './write-fault.js';

/** Merging of single pages, and its undoing (mm/ksm.c:try_to_merge_one_page, break_ksm). */
@injectable()
export class KsmMerge {
  private readonly site = Sites.index('ksm.get_mergeable_page');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(WriteFaultToken) private readonly writeFault: WriteFault,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(WorkToken) private readonly work: Work,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** The anonymous page at a virtual page, or -1 (get_mergeable_page). */
  pageAt(mm: MmStruct, vpn: number): number {
    const slot = this.ptes.find(mm.id, vpn);
    const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
    if (!pteMapsNormalPage(bits)) return -1;
    const pfn = this.ptes.value[slot]!;
    const folio = this.table.head(pfn);
    if (!this.managed.folio_managed_allows(this.site, folio, GRANT_KSM)) return -1;
    // Poison that nobody met yet: its bytes can be compared with none.
    if (this.table.version[pfn] === VERSION_LOST) return -1;
    return this.table.has(folio, PG_anon) ? pfn : -1;
  }

  /** Name of the bytes of a page, as they are now (calc_checksum, memcmp_pages). */
  keyOf(pfn: number): number {
    for (const slot of this.rmap.slots(pfn)) {
      if ((this.ptes.bits[slot]! & PTE_WRITTEN) === 0) continue;
      this.contents.settle(pfn, this.ptes.vpnOf(slot), slot);
    }
    return this.table.key[pfn]!;
  }

  /** Could the page be merged: is nobody but its mappers holding it (write_protect_page)? */
  isMergeable(pfn: number): boolean {
    const folio = this.table.head(pfn);
    if (this.table.has(folio, PG_isolated | PG_hwpoison) || this.table.has(pfn, PG_hwpoison)) {
      return false;
    }
    const cached = this.table.has(folio, PG_swapcache) ? 1 : 0;
    return this.table.refcount[folio] === this.table.folioMapcount(folio) + cached;
  }

  /**
   * Two pages of one large folio hold it twice, so that it can't be split for either; it is split
   * afterwards, and nothing is merged this time (cmp_and_merge_page). @returns were they?
   */
  splitCommon(pfn: number, other: number): boolean {
    const folio = this.table.head(pfn);
    if (pfn === other || folio !== this.table.head(other)) return false;
    this.folios.get(folio);
    this.huge.split(folio);
    this.folios.put(folio);
    this.huge.split(folio);
    return true;
  }

  /** Makes a page a merged one: read-only and nobody's own. @returns did it? */
  makeKsm(item: RmapItem, pfn: number): boolean {
    if (!this.writeProtect(item, pfn)) return false;
    this.table.set(pfn, PG_ksm | PG_dirty);
    return true;
  }

  /** Maps `kpage` in place of an equal page, which is freed if that was its last mapping. */
  replace(item: RmapItem, pfn: number, kpage: number): boolean {
    if (pfn === kpage) return true;
    const vma = item.mm.find(item.vpn);
    if (vma === null || !this.writeProtect(item, pfn)) return false;
    const slot = this.ptes.slot(item.mm.id, item.vpn);
    this.forget(slot, pfn);
    this.folios.get(kpage);
    this.mapping.map(slot, kpage, presenceIn(vma) | PTE_ACCESSED);
    this.expectSame(slot, pfn, this.table.version[kpage]!);
    this.mlockFolio.mapped(kpage, vma);
    this.folios.put(pfn);
    return true;
  }

  /** Maps the zero page in place of a page of zeroes; the entry remembers it (is_ksm_zero_pte). */
  replaceByZero(item: RmapItem, pfn: number): boolean {
    const vma = item.mm.find(item.vpn);
    if (vma === null || !this.writeProtect(item, pfn)) return false;
    const slot = this.ptes.slot(item.mm.id, item.vpn);
    this.forget(slot, pfn);
    this.mapping.setEntry(slot, 0, 0, zeroEntryIn(vma, this.work.cpuNid) | PTE_DIRTY);
    this.expectSame(slot, pfn, VERSION_ZERO);
    this.folios.put(pfn);
    return true;
  }

  /** Zero pages that KSM put where pages of zeroes were (ksm_zero_pages). */
  zeroPages(mms: Iterable<MmStruct>): number {
    let pages = 0;
    for (const mm of mms) {
      this.ptes.walk(mm.id, 0, Infinity, (slot) => {
        if (isKsmZero(this.ptes.bits[slot]!)) pages++;
      });
    }
    return pages;
  }

  /** Gives every merged page of a range a copy of its own. @returns 0 or -ENOMEM */
  breakRange(mm: MmStruct, vma: Vma): number {
    const merged: number[] = [];
    this.ptes.walk(mm.id, vma.start, vma.end, (slot, vpn) => {
      if (this.isMerged(slot)) merged.push(vpn);
    });
    for (const vpn of merged) {
      const area = mm.find(vpn);
      const slot = this.ptes.find(mm.id, vpn);
      if (area === null || slot < 0) continue;
      const bits = this.ptes.bits[slot]!;
      const nid = this.work.cpuNid;
      const value = this.ptes.value[slot]!;
      const vmf = new FaultContext(mm, area, vpn, slot, false, nid, bits, value);
      if (this.writeFault.unshare(vmf) !== 0) return -ENOMEM;
    }
    return 0;
  }

  private isMerged(slot: number): boolean {
    const bits = this.ptes.bits[slot]!;
    if (!pteMapsPage(bits)) return false;
    if ((bits & PTE_SPECIAL) !== 0) return isKsmZero(bits);
    return this.table.has(this.ptes.value[slot]!, PG_ksm);
  }

  /** The page's entry is read-only, clean and shared from now on; large folios are split first. */
  private writeProtect(item: RmapItem, pfn: number): boolean {
    const folio = this.table.head(pfn);
    if (this.table.order[folio]! > 0 && this.huge.split(folio) !== 0) return false;
    if (!this.isMergeable(pfn)) return false;
    const slot = this.ptes.find(item.mm.id, item.vpn);
    if (slot < 0 || this.ptes.value[slot] !== pfn) return false;
    // A split puts the zero page where it finds a page of zeroes.
    if (!pteMapsNormalPage(this.ptes.bits[slot]!)) return false;
    if ((this.ptes.bits[slot]! & PTE_DIRTY) !== 0) this.table.set(pfn, PG_dirty);
    this.notifiers.invalidateSlot(slot, MMU_NOTIFY_CLEAR);
    this.mapping.change(slot, 0, PTE_WRITE | PTE_DIRTY);
    this.table.clear(pfn, PG_anon_exclusive);
    return true;
  }

  /** The entry loses its page, whose reference is the caller's to drop. */
  private forget(slot: number, pfn: number): void {
    this.mapping.unmap(slot);
    if (this.table.mapcount[pfn] === 0) this.mlockFolio.unlock(pfn);
  }

  /** The bytes are the same, but they are another store's now. */
  private expectSame(slot: number, pfn: number, version: number): void {
    if (this.ptes.shadow[slot] === this.table.version[pfn]) this.ptes.shadow[slot] = version;
  }
}
export const KsmMergeToken = createToken<KsmMerge>('KsmMerge');

/** The zero page in place of a page of zeroes; an ordinary one is clean. */
function isKsmZero(bits: number): boolean {
  const both = PTE_SPECIAL | PTE_DIRTY;
  return pteMapsPage(bits) && (bits & both) === both;
}
