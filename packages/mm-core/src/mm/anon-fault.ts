import { __GFP_ZERO, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { VM_DROPPABLE, VM_UFFD_MISSING, VM_WRITE } from '../abi/mman.js';
import { PG_anon, PG_anon_exclusive, PG_swapbacked } from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_MKDIRTY,
  PTE_NODE_SHIFT,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_WRITE,
} from '../abi/pte.js';
import { VM_FAULT_OOM } from '../abi/vm-fault.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { presenceIn } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import {
  handleUserfault,
  isUffdWpMarker,
  userfaultfdMissing,
  withOldProtection,
} from '../mem/userfaultfd.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type DeferredSplit, DeferredSplitToken } from './deferred-split.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { isSuitable, type ThpSettings, ThpSettingsToken } from './thp-settings.js';
import { type Work, WorkToken } from './work.js';

/** A hole of private anonymous memory (mm/memory.c:do_anonymous_page, alloc_anon_folio). */
@injectable()
export class AnonFault {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(DeferredSplitToken) private readonly deferred: DeferredSplit,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** The zero page for a read (charged as memory of the CPU's node), a fresh one for a write. */
  doAnonymousPage(vmf: FaultContext): number {
    if (userfaultfdMissing(vmf.vma)) {
      vmf.unlock();
      return handleUserfault(vmf, VM_UFFD_MISSING);
    }
    if (!vmf.write) {
      this.mapping.setEntry(vmf.slot, 0, 0, this.protectedAs(vmf.slot, zeroEntry(vmf.nid)));
      vmf.unlock();
      this.work.charge(this.cost.ns.zeroPageFault);
      return 0;
    }
    vmf.unlock();
    vmf.mm.prepareAnonVma(vmf.vma);
    if (this.mapLarge(vmf)) return 0;
    this.work.charge(this.cost.ns.anonFault);
    const pfn = this.alloc(vmf, 0, vmf.vpn, GFP_HIGHUSER_MOVABLE);
    if (pfn < 0) return VM_FAULT_OOM;
    if (this.ptes.bits[vmf.slot] !== vmf.bits) {
      this.folios.put(pfn);
      return 0;
    }
    this.map(vmf.mm, vmf.vma, pfn, vmf.vpn);
    return 0;
  }

  /** A zeroed folio for the area's page `vpn` by its policy. @returns first pfn or -1 */
  alloc(vmf: FaultContext, order: number, vpn: number, flags: number): number {
    const { mm, vma, nid } = vmf;
    return this.prealloc.forVma({ mm, vma, vpn, nid }, order, flags | __GFP_ZERO);
  }

  /** Maps a fresh folio from page `first` on, with its only reference (map_anon_folio_pte). */
  map(mm: MmStruct, vma: Vma, folio: number, first: number): void {
    const pages = this.table.nrPages(folio);
    if ((vma.flags & VM_DROPPABLE) === 0) this.table.set(folio, PG_swapbacked);
    this.table.refcount[folio]! += pages - 1;
    const write = (vma.flags & VM_WRITE) !== 0 ? PTE_WRITE : 0;
    for (let at = 0; at < pages; at++) {
      this.table.set(folio + at, PG_anon | PG_anon_exclusive);
      const slot = this.ptes.slot(mm.id, first + at);
      const bits = presenceIn(vma) | PTE_ACCESSED | PTE_MKDIRTY | write;
      this.mapping.map(slot, folio + at, this.protectedAs(slot, bits));
    }
    this.mlockFolio.mapped(folio, vma);
    this.folios.addLru(folio);
    if (pages === PTRS_PER_PTE) this.deferred.watch(folio);
  }

  private protectedAs(slot: number, bits: number): number {
    const wasMarker = isUffdWpMarker(this.ptes.bits[slot]!, this.ptes.value[slot]!);
    return withOldProtection(bits, PTE_WRITE, wasMarker);
  }

  /** The largest folio of less than PMD order that the area may have and that is to be had. */
  private mapLarge(vmf: FaultContext): boolean {
    let orders = this.largeOrders(vmf);
    if (orders === 0) return false;
    const gfp = this.thp.gfpMask(vmf.vma);
    while (orders !== 0) {
      const order = 31 - Math.clz32(orders);
      orders &= ~(1 << order);
      const first = vmf.vpn - (vmf.vpn % (1 << order));
      const folio = this.alloc(vmf, order, first, gfp);
      if (folio < 0) continue;
      const { anonFault, zeroPage } = this.cost.ns;
      this.work.charge(anonFault + ((1 << order) - 1) * zeroPage);
      this.map(vmf.mm, vmf.vma, folio, first);
      return true;
    }
    return false;
  }

  /** Orders whose block around the fault lies in the area and is empty, as a mask. */
  private largeOrders(vmf: FaultContext): number {
    const { mm, vma, vpn } = vmf;
    if (vma.uffd !== null) return 0;
    const allowed = this.thp.allowableOrders(mm, vma, 'pagefault', (1 << PMD_ORDER) - 2);
    if (allowed === 0) return 0;
    let orders = 0;
    for (let order = 1; order < PMD_ORDER; order++) {
      if ((allowed & (1 << order)) === 0 || !isSuitable(vma, vpn, order)) continue;
      if (!this.isEmpty(mm.id, vpn - (vpn % (1 << order)), 1 << order)) break;
      orders |= 1 << order;
    }
    return orders;
  }

  private isEmpty(mmId: number, first: number, pages: number): boolean {
    for (let vpn = first; vpn < first + pages; vpn++) {
      if (this.ptes.bits[this.ptes.slot(mmId, vpn)] !== 0) return false;
    }
    return true;
  }
}
export const AnonFaultToken = createToken<AnonFault>('AnonFault');

/** The entry of the shared zero page. */
export function zeroEntry(nid: number): number {
  return PTE_PRESENT | PTE_SPECIAL | PTE_ACCESSED | (nid << PTE_NODE_SHIFT);
}

/** The same in an area that may be closed. */
export function zeroEntryIn(vma: Vma, nid: number): number {
  return (zeroEntry(nid) & ~PTE_PRESENT) | presenceIn(vma);
}
