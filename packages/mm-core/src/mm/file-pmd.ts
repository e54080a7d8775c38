import { VM_NOHUGEPAGE } from '../abi/mman.js';
import { PG_hwpoison } from '../abi/page-flags.js';
import { PTE_ACCESSED, PTE_MKDIRTY, PTE_PRESENT, PTE_WRITE } from '../abi/pte.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { pageProtWrites } from '../mem/page-prot.js';
import { LEAF_SHIFT, PMD_NONE, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { isSuitable } from './thp-settings.js';

/** Huge entries of PMDs that map a huge page of a file (mm/memory.c:do_set_pmd). */
@injectable()
export class FilePmd {
  private readonly site = Sites.index('memory.do_set_pmd');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
  ) {}

  /**
   * Maps a cached folio by one entry where `vpn` lies, if the PMD is empty and area and folio allow
   * it. What a mended series has to keep read-only gets entries of its pages instead: a store to
   * a PMD of a file splits it, and would find the PMD again (wp_huge_pmd). @param write is it a
   * store, which the area allows? @returns did it?
   */
  set(mm: MmStruct, vma: Vma, vpn: number, folio: number, write: boolean): boolean {
    const first = vpn - (vpn % PTRS_PER_PTE);
    if (this.table.order[folio] !== PMD_ORDER || !isSuitable(vma, vpn, PMD_ORDER)) return false;
    if ((vma.flags & VM_NOHUGEPAGE) !== 0 || mm.thpDisabled === 'completely') return false;
    if (vma.uffd !== null || this.isPoisoned(folio)) return false;
    const leaf = this.ptes.slot(mm.id, first) >> LEAF_SHIFT;
    if (this.ptes.pmd[leaf] !== PMD_NONE) return false;
    const open = write || pageProtWrites(vma) ? PTE_WRITE : 0;
    if (open !== 0 && this.managed.folio_managed_shared_wrprotect(this.site, folio)) return false;
    const bits = PTE_PRESENT | PTE_ACCESSED | open | (write ? PTE_MKDIRTY : 0);
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      this.folios.get(folio);
      this.mapping.map((leaf << LEAF_SHIFT) | at, folio + at, bits);
    }
    this.mapping.setPmd(leaf);
    this.mlockFolio.mapped(folio, vma);
    return true;
  }

  private isPoisoned(folio: number): boolean {
    for (let pfn = folio; pfn < folio + PTRS_PER_PTE; pfn++) {
      if (this.table.has(pfn, PG_hwpoison)) return true;
    }
    return false;
  }
}
export const FilePmdToken = createToken<FilePmd>('FilePmd');
