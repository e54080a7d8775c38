import { VM_LOCKED } from '../abi/mman.js';
import { PG_anon, PG_swapcache } from '../abi/page-flags.js';
import {
  isMarker,
  isMigrationType,
  PTE_MARKER_GUARD,
  PTE_MARKER_UFFD_WP,
  PTE_SPECIAL,
  PTE_TYPE_MARKER,
  PTE_TYPE_SWAP,
  PTE_UFFD_WP,
  pteHoldsPage,
  pteMapsNormalPage,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type Mms, MmsToken } from './mms.js';
import {
  MMU_NOTIFY_CLEAR,
  MMU_NOTIFY_UNMAP,
  type MmuNotifiers,
  MmuNotifiersToken,
} from './mmu-notifier.js';
import { type Pmds, PmdsToken } from './pmd.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';

/** Empties entries and drops what they hold (mm/memory.c:zap_vma_range; mm/mmap.c:exit_mmap). */
@injectable()
export class Zap {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(PmdsToken) private readonly pmds: Pmds,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {
    pmds.onFileSplit = (leaf) => this.leaf(leaf);
  }

  /**
   * Empties every entry in [start, end); the vmas stay.
   * @param markersKept PTE_MARKER_* kinds that survive: a guard does not go with its contents, only
   *   with its area (zap_nonpresent_ptes), nor does the protection of a file's page
   *   (zap_install_uffd_wp_if_needed)
   */
  range(mm: MmStruct, start: number, end: number, markersKept = 0): void {
    let unmapped = 0;
    this.notifiers.invalidate(mm.id, start, end, MMU_NOTIFY_UNMAP);
    this.mapping.range(mm.id, start, end, (slot) => {
      const bits = this.ptes.bits[slot]!;
      if (isMarker(bits, this.ptes.value[slot]!, markersKept)) return;
      if (pteMapsPage(bits)) unmapped++;
      this.entry(slot);
      if ((bits & PTE_UFFD_WP) === 0 || (markersKept & PTE_MARKER_UFFD_WP) === 0) return;
      this.mapping.setEntry(slot, PTE_TYPE_MARKER, PTE_MARKER_UFFD_WP);
    });
    if (unmapped > 0) this.work.charge(this.cost.tlbFlushNs(mm.activeCpus));
  }

  /** Empties the entries of pages of files; private copies stay (unmap_mapping_range). */
  filePages(mm: MmStruct, start: number, end: number): void {
    this.notifiers.invalidate(mm.id, start, end, MMU_NOTIFY_CLEAR);
    this.mapping.range(mm.id, start, end, (slot) => {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsNormalPage(bits)) return;
      const folio = this.table.head(this.ptes.value[slot]!);
      if (!this.table.has(folio, PG_anon)) this.entry(slot);
    });
  }

  /** MADV_DONTNEED of a part of an area: page tables that are empty afterwards go as well. */
  discard(mm: MmStruct, start: number, end: number): void {
    const isFile = mm.find(start)?.file != null;
    const kept = PTE_MARKER_GUARD | (isFile ? PTE_MARKER_UFFD_WP : 0);
    this.range(mm, start, end, kept);
    this.pmds.reclaimTables(mm.id, start, end);
  }

  /** Empties every entry of a leaf. */
  private leaf(leaf: number): void {
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) this.entry((leaf << LEAF_SHIFT) | at);
    });
  }

  /** Empties one entry, whatever it holds. */
  entry(slot: number): void {
    const bits = this.ptes.bits[slot]!;
    const value = this.ptes.value[slot]!;
    if (bits === 0) return;
    if (pteMapsPage(bits)) {
      this.present(slot, bits);
      return;
    }
    const type = pteType(bits);
    if (isMigrationType(type)) {
      this.mapping.dropMigration(slot);
      return;
    }
    if (type === PTE_TYPE_SWAP) {
      this.mapping.setEntry(slot, 0, 0);
      this.mms.get(this.ptes.mmOf(slot)).swapents -= 1;
      this.freeSwapEntry(value);
      return;
    }
    this.entryTypes.get(type)?.zap(slot, value);
    if (pteHoldsPage(bits)) this.present(slot, bits);
    else this.mapping.setEntry(slot, 0, 0);
  }

  private present(slot: number, bits: number): void {
    if ((bits & PTE_SPECIAL) !== 0) {
      this.mapping.change(slot, 0, -1);
      return;
    }
    const folio = this.table.head(this.mapping.unmap(slot));
    const vma = this.mms.get(this.ptes.mmOf(slot)).find(this.ptes.vpnOf(slot));
    if (vma !== null && (vma.flags & VM_LOCKED) !== 0) this.mlockFolio.unlock(folio);
    this.freeSwapCache(folio);
    this.folios.putBatched(folio);
  }

  /** The last mapping takes a folio out of the swap cache, if it may go (free_swap_cache). */
  private freeSwapCache(folio: number): void {
    if (!this.table.has(folio, PG_swapcache) || this.table.folioMapcount(folio) > 0) return;
    if (this.swap.front?.keeps(folio) === true || !this.folios.trylock(folio)) return;
    this.folios.unlock(folio);
    this.swap.freeSwap(folio);
  }

  /** The last entry takes an unmapped folio out of the swap cache too (free_swap_and_cache). */
  private freeSwapEntry(entry: number): void {
    const folio = this.swap.folioOf(entry);
    this.swap.freeEntry(entry);
    if (folio < 0 || this.swap.entryCount(entry) > 0) return;
    if (this.swap.front?.keeps(folio) === true) return;
    if (this.table.folioMapcount(folio) === 0 && this.folios.trylock(folio)) {
      this.folios.unlock(folio);
      this.swap.deleteFromCache(folio);
    }
  }
}
export const ZapToken = createToken<Zap>('Zap');
