import { VM_LOCKED } from '../abi/mman.js';
import { PG_anon, PG_hwpoison, PG_mlocked } from '../abi/page-flags.js';
import {
  PTE_NODE_SHIFT,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_TRACKING,
  PTE_WRITTEN,
  pteMapsPage,
} from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Mms, MmsToken } from './mms.js';
import { type Work, WorkToken } from './work.js';

/** Pages of zeroes of a split folio give way to the zero page (try_to_map_unused_to_zeropage). */
@injectable()
export class UnusedToZero {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** Replaces the mappings of a base page by the zero page if it holds nothing else. */
  replace(pfn: number): void {
    if (!this.table.has(pfn, PG_anon) || this.table.has(pfn, PG_hwpoison | PG_mlocked)) return;
    for (const slot of this.rmap.slots(pfn)) {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsPage(bits) || this.isLocked(slot)) continue;
      if ((bits & PTE_WRITTEN) !== 0) this.contents.settle(pfn, this.ptes.vpnOf(slot), slot);
      if (!this.contents.isZeroes(pfn)) return;
      this.mapping.unmap(slot);
      this.folios.put(pfn);
      const kept = bits & (PTE_PRESENT | PTE_PROTNONE | PTE_TRACKING);
      const node = this.work.cpuNid << PTE_NODE_SHIFT;
      this.mapping.setEntry(slot, 0, 0, kept | PTE_SPECIAL | node);
      this.ptes.shadow[slot] = 0;
    }
  }

  private isLocked(slot: number): boolean {
    const vma = this.mms.get(this.ptes.mmOf(slot)).find(this.ptes.vpnOf(slot));
    return vma === null || (vma.flags & VM_LOCKED) !== 0;
  }
}
export const UnusedToZeroToken = createToken<UnusedToZero>('UnusedToZero');
