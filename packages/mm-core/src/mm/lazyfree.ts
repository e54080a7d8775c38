import { VM_DROPPABLE } from '../abi/mman.js';
import { PG_dirty, PG_swapbacked } from '../abi/page-flags.js';
import { PTE_DIRTY, pteMapsPage } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Mms, MmsToken } from './mms.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';

/**
 * Anonymous folios whose contents may be dropped: those of MADV_FREE and of MAP_DROPPABLE areas
 * (the !swapbacked branch of mm/rmap.c:try_to_unmap_one).
 */
@injectable()
export class Lazyfree {
  private readonly pglazyfreed = Vmstat.index('pglazyfreed');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * Takes an isolated folio away from its programs, who read zeroes from then on. One that was
   * stored to since is ordinary memory again. @returns is it gone?
   */
  drop(folio: number): boolean {
    const slots = this.slotsOf(folio);
    const references = slots.length + 1;
    if (this.isDirty(folio, slots) && !slots.every((slot) => this.isDroppable(slot))) {
      this.table.set(folio, PG_swapbacked);
      return false;
    }
    if (this.table.refcount[folio] !== references) return false;
    this.rmapWalk.eachMapping(folio, (slot) => {
      this.mapping.unmap(slot);
      this.ptes.shadow[slot] = 0;
      this.folios.put(folio);
    });
    this.vmstat.add(this.pglazyfreed, this.table.nrPages(folio));
    this.memcgs.countFolio(folio, this.pglazyfreed, this.table.nrPages(folio));
    return true;
  }

  private slotsOf(folio: number): number[] {
    const slots: number[] = [];
    for (let pfn = folio; pfn < folio + this.table.nrPages(folio); pfn++) {
      slots.push(...this.rmap.slots(pfn).filter((slot) => pteMapsPage(this.ptes.bits[slot]!)));
    }
    return slots;
  }

  private isDirty(folio: number, slots: readonly number[]): boolean {
    if (this.table.has(folio, PG_dirty)) return true;
    return slots.some((slot) => (this.ptes.bits[slot]! & PTE_DIRTY) !== 0);
  }

  private isDroppable(slot: number): boolean {
    const vma = this.mms.get(this.ptes.mmOf(slot)).find(this.ptes.vpnOf(slot));
    return vma !== null && (vma.flags & VM_DROPPABLE) !== 0;
  }
}
export const LazyfreeToken = createToken<Lazyfree>('Lazyfree');
