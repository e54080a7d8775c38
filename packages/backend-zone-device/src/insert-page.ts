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
  type Mapping,
  MappingToken,
  type MmStruct,
  PTE_PRESENT,
  PTE_WRITE,
  type Ptes,
  PtesToken,
  VM_WRITE,
} from '@mm-lab/mm-core';
import { MEMORY_DEVICE_FS_DAX, MEMORY_DEVICE_PRIVATE } from './memory-type.js';
import { type Memremap, MemremapToken } from './memremap.js';

/**
 * Maps pages of a device into a program, one present entry each (mm/memory.c:insert_page), as a DAX
 * file, a character device or a PCI device does at a fault of its own. Each mapping is a reference
 * and a count of mappings; no huge entries.
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
}
export const InsertPageToken = createToken<InsertPage>('InsertPage');
