import {
  assert,
  createToken,
  EBUSY,
  EFAULT,
  EINVAL,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  LEAF_SHIFT,
  type Mapping,
  MappingToken,
  type MmStruct,
  PMD_NONE,
  PMD_ORDER,
  PTE_PRESENT,
  PTE_WRITE,
  PTRS_PER_PTE,
  type Ptes,
  PtesToken,
  VM_WRITE,
} from '@mm-lab/mm-core';
import { MEMORY_DEVICE_FS_DAX, MEMORY_DEVICE_PRIVATE } from './memory-type.js';
import { type Memremap, MemremapToken } from './memremap.js';

/**
 * Maps pages of a device into a program, one present entry each (mm/memory.c:insert_page), as a DAX
 * file, a character device or a PCI device does at a fault of its own. Each mapping is a reference
 * and a count of mappings; a huge entry of a DAX file has those of its pages.
 */
@injectable()
export class InsertPage {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(MemremapToken) private readonly memremap: Memremap,
  ) {}

  /**
   * Maps a page where nothing stands (vm_insert_page; vmf_insert_page_mkwrite for FS_DAX, whose
   * first mapping takes a page from no reference to one). @returns 0; -EFAULT outside of areas,
   * -EINVAL for a page that can't be mapped present or is free, -EBUSY if an entry stands there
   */
  insert(mm: MmStruct, vpn: number, pfn: number): number {
    const vma = mm.find(vpn);
    if (vma === null) return -EFAULT;
    const type = this.memremap.pgmapOf(pfn)?.request.type;
    if (type === undefined || type === MEMORY_DEVICE_PRIVATE) return -EINVAL;
    if (this.table.refcount[pfn] === 0 && type !== MEMORY_DEVICE_FS_DAX) return -EINVAL;
    const slot = this.ptes.slot(mm.id, vpn);
    if (this.ptes.bits[slot] !== 0) return -EBUSY;
    if (this.table.refcount[pfn] === 0) this.folios.resurrect(pfn);
    else this.folios.get(this.table.head(pfn));
    const write = (vma.flags & VM_WRITE) !== 0 ? PTE_WRITE : 0;
    this.mapping.map(slot, pfn, PTE_PRESENT | write);
    assert(this.table.mapcount[pfn]! > 0, 'an inserted page is mapped');
    return 0;
  }

  /**
   * Maps a folio of PMD size by one entry (vmf_insert_folio_pmd): FS_DAX only, whose first mapping
   * makes a folio of 512 free pages. @returns 0; -EFAULT where the area does not hold all of it,
   * -EINVAL for pages that are no folio and not free, -EBUSY if something stands there
   */
  insertHuge(mm: MmStruct, vpn: number, pfn: number): number {
    const vma = mm.find(vpn);
    const fits = vpn % PTRS_PER_PTE === 0 && vma !== null && vpn + PTRS_PER_PTE <= vma.end;
    if (!fits) return -EFAULT;
    const pgmap = this.memremap.pgmapOf(pfn);
    const isDax = pgmap?.request.type === MEMORY_DEVICE_FS_DAX;
    if (!isDax || pfn % PTRS_PER_PTE !== 0 || !pgmap.has(pfn + PTRS_PER_PTE - 1)) return -EINVAL;
    const isKnown = this.table.order[pfn] === PMD_ORDER && this.table.refcount[pfn]! > 0;
    if (!isKnown && !this.areFree(pfn)) return -EINVAL;
    const first = this.ptes.slot(mm.id, vpn);
    const leaf = first >> LEAF_SHIFT;
    if (this.ptes.pmd[leaf] !== PMD_NONE) return -EBUSY;
    if (isKnown) this.folios.get(pfn);
    else this.table.prepareFolio(pfn, PMD_ORDER);
    const write = (vma.flags & VM_WRITE) !== 0 ? PTE_WRITE : 0;
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        if (at > 0) this.folios.get(pfn);
        this.mapping.map(first + at, pfn + at, PTE_PRESENT | write);
      }
    });
    this.mapping.setPmd(leaf);
    return 0;
  }

  private areFree(pfn: number): boolean {
    const used = this.table.refcount.subarray(pfn, pfn + PTRS_PER_PTE);
    return used.every((count) => count === 0);
  }
}
export const InsertPageToken = createToken<InsertPage>('InsertPage');
