import {
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  VM_EXEC,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from '../abi/mman.js';
import { PG_anon_exclusive } from '../abi/page-flags.js';
import {
  PTE_DIRTY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_TYPE_MIGRATION_READ_EXCLUSIVE,
  PTE_TYPE_MIGRATION_WRITE,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { pageProtWrites } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { mustSeeStore } from '../mem/soft-dirty.js';
import { type MmStruct, type Vma, vmaAllows } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type Mapping, MappingToken } from './mapping.js';
import { MMU_NOTIFY_PROTECTION_VMA, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type Work, WorkToken } from './work.js';

/** mprotect (mm/mprotect.c:do_mprotect_pkey, change_pte_range). */
@injectable()
export class Mprotect {
  private readonly site = Sites.index('mprotect.change_pte_range');
  private readonly pmdSite = Sites.index('huge_memory.change_huge_pmd');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** Gives the entries of an area, or of a part of one, the protection of its flags. */
  changeRange(mm: MmStruct, vma: Vma): void {
    let changed = 0;
    this.notifiers.invalidate(mm.id, vma.start, vma.end, MMU_NOTIFY_PROTECTION_VMA);
    this.mapping.range(mm.id, vma.start, vma.end, (slot) => {
      this.changeEntry(slot, vma);
      changed++;
    });
    if (changed > 0) this.work.charge(this.changeNs(mm.activeCpus));
  }

  /**
   * The measured whole has the flush of one CPU in it. Simplified: further pages of the area are
   * free, as no number is known for a walk alone.
   */
  private changeNs(activeCpus: number): number {
    const { mprotectPage } = this.cost.ns;
    return mprotectPage + this.cost.tlbFlushNs(activeCpus) - this.cost.tlbFlushNs(1);
  }

  private changeEntry(slot: number, vma: Vma): void {
    const { flags } = vma;
    const bits = this.ptes.bits[slot]!;
    if (!pteMapsPage(bits)) {
      this.changeNonPresent(slot, bits);
      return;
    }
    const accessible = vmaAllows(vma, false);
    const set = accessible ? PTE_PRESENT : PTE_PROTNONE;
    const clear = accessible ? PTE_PROTNONE : PTE_PRESENT;
    const keep = (flags & VM_WRITE) !== 0 && (bits & PTE_WRITE) !== 0;
    const write = keep || this.canChangeWritable(slot, bits, vma) ? PTE_WRITE : 0;
    this.mapping.change(slot, set | write, clear | (write === 0 ? PTE_WRITE : 0));
  }

  /**
   * Private pages that nobody shares become writable at once, so that the next store does not fault
   * (can_change_pte_writable); never on a node whose owner protects writes (RFC v4 patch 15). A
   * page of a file is so once a store was noticed; where nobody has to notice, it is writable by
   * right, whatever the owner says (pte_modify with a writable vm_page_prot: v4 does not ask).
   */
  canChangeWritable(slot: number, bits: number, vma: Vma): boolean {
    if (mustSeeStore(vma, bits)) return false;
    if ((vma.flags & VM_WRITE) === 0 || (bits & PTE_SPECIAL) !== 0) return false;
    const pfn = this.ptes.value[slot]!;
    const folio = this.table.head(pfn);
    const site = this.ptes.isHuge(slot) ? this.pmdSite : this.site;
    const place = this.cache.placeOf(pfn);
    if (place !== null) {
      if ((vma.flags & VM_SHARED) === 0) return false;
      if (pageProtWrites(vma)) return !this.managed.folio_managed_shared_wrprotect(site, folio);
      if (!place.file.needsWriteback || (bits & PTE_DIRTY) === 0) return false;
    } else if (!this.table.has(pfn, PG_anon_exclusive)) return false;
    return !this.managed.folio_managed_wrprotect(site, folio);
  }

  /**
   * A writable migration entry becomes a readable exclusive one, a writable entry of a plugin's a
   * readable one, whatever the new protection is (change_softleaf_pte).
   */
  private changeNonPresent(slot: number, bits: number): void {
    if ((bits & PTE_UNADDRESSABLE) !== 0) this.mapping.change(slot, 0, PTE_WRITE);
    if (pteType(bits) !== PTE_TYPE_MIGRATION_WRITE) return;
    const pfn = this.ptes.value[slot]!;
    this.mapping.setEntry(slot, PTE_TYPE_MIGRATION_READ_EXCLUSIVE, pfn, bits & ENTRY_FLAGS);
  }
}
export const MprotectToken = createToken<Mprotect>('Mprotect');

/** The low bits of a non-present entry that are flags. */
const ENTRY_FLAGS = 0xfff;

/** VM_* protection bits of PROT_* ones. */
export function vmFlags(prot: number): number {
  return (
    ((prot & PROT_READ) !== 0 ? VM_READ : 0) |
    ((prot & PROT_WRITE) !== 0 ? VM_WRITE : 0) |
    ((prot & PROT_EXEC) !== 0 ? VM_EXEC : 0)
  );
}
