import { EAGAIN, EBUSY, EFAULT, ENOMEM } from '../abi/errno.js';
import { __GFP_NOWARN, GFP_USER } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_LONGTERM_PIN } from '../abi/migrate.js';
import { VM_READ, VM_WRITE } from '../abi/mman.js';
import { PG_lru, PG_pinned } from '../abi/page-flags.js';
import { PTE_PRESENT, PTE_SPECIAL, PTE_WRITE } from '../abi/pte.js';
import { VM_FAULT_ERROR, VM_FAULT_OOM } from '../abi/vm-fault.js';
import { ZONE_MOVABLE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { isSharedWritable } from './file-fault.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memory, MemoryToken } from './memory.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { type Work, WorkToken } from './work.js';

/** Faults and migrations for one page before a pin is given up. */
const ATTEMPTS_MAX = 16;

/**
 * Pages of a program for others to use (mm/gup.c). A pin is FOLL_PIN | FOLL_LONGTERM | FOLL_WRITE;
 * each holds one reference of the folio, and the folio has PG_pinned while there is one.
 */
@injectable()
export class Gup {
  private readonly site = Sites.index('mm.folio_is_longterm_pinnable');
  private readonly grabSite = Sites.index('gup.try_grab_folio');
  private readonly unlistedSite = Sites.index('gup.migrate_longterm_unpinnable_folios');
  private readonly acquired = Vmstat.index('nr_foll_pin_acquired');
  private readonly released = Vmstat.index('nr_foll_pin_released');
  /**
   * Moves a folio that is on no LRU list to ordinary memory, for who may not pin it where it is
   * (migrate_device_coherent_folio). Its owner's mechanism sets it. @returns 0 or -errno
   */
  onUnlisted: (folio: number) => number = () => -EBUSY;
  /** Pins by folio. */
  private readonly pins = new Map<number, number>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** Pins of a folio. */
  pinCount(folio: number): number {
    return this.pins.get(folio) ?? 0;
  }

  /**
   * Pins one page for writing. @returns its pfn, -EFAULT, -ENOMEM if it cannot leave an unpinnable
   * place, or what its file or owner answers
   */
  pinLongterm(mm: MmStruct, vpn: number, nid: number): number {
    const pinned = this.pinUserPages(mm, vpn, 1, nid);
    return typeof pinned === 'number' ? pinned : pinned[0]!;
  }

  /**
   * Pins pages for writing, all or none (pin_user_pages_fast; io_uring and VFIO take less than all
   * for -EFAULT). Pages that need no help are pinned first; a failure behind them is -EFAULT
   * whatever its reason.
   * @returns their pfns, or -errno
   */
  pinUserPages(mm: MmStruct, start: number, pages: number, nid: number): number[] | number {
    const fast: number[] = [];
    while (fast.length < pages) {
      const pfn = this.pinFast(mm, start + fast.length);
      if (pfn < 0) break;
      fast.push(pfn);
    }
    if (fast.length === pages) return fast;
    this.work.enterPin();
    const rest = this.pinSlow(mm, start + fast.length, pages - fast.length, nid);
    this.work.leavePin();
    if (typeof rest !== 'number') return [...fast, ...rest];
    this.unpinAll(fast);
    return fast.length > 0 ? -EFAULT : rest;
  }

  /** Drops one pin (unpin_user_page). */
  unpin(pfn: number): void {
    const folio = this.table.head(pfn);
    const left = this.pinCount(folio) - 1;
    if (left < 0) return;
    this.vmstat.add(this.released, 1);
    if (left > 0) this.pins.set(folio, left);
    else {
      this.pins.delete(folio);
      this.table.clear(folio, PG_pinned);
    }
    this.folios.put(folio);
  }

  /**
   * Takes a reference of the page that a read finds, bringing it in if need be
   * (get_user_pages_fast with FOLL_GET). @returns pfn, 'zero' for the shared zero page (which is
   * not counted), or -errno
   * @param handlesAll the caller says that it can handle pages whose owner refuses others
   */
  getUserPage(mm: MmStruct, vpn: number, nid: number, handlesAll = false): number | 'zero' {
    const vma = mm.find(vpn);
    if (vma === null || (vma.flags & VM_READ) === 0) return -EFAULT;
    const found = this.faultIn(mm, vpn, nid, PTE_PRESENT);
    if (found === 'zero' || found < 0) return found;
    const refusal = handlesAll ? 0 : this.grabRefusal(found);
    if (refusal < 0) return refusal;
    this.folios.get(this.table.head(found));
    return found;
  }

  /** gup_fast: what is writable and pinnable as it is. */
  private pinFast(mm: MmStruct, vpn: number): number {
    const vma = mm.find(vpn);
    if (vma === null || pinRefusal(vma) < 0) return -EFAULT;
    const slot = this.ptes.find(mm.id, vpn);
    const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
    if ((bits & PIN_READY) !== PIN_READY) return -EAGAIN;
    const pfn = this.ptes.value[slot]!;
    if (this.grabRefusal(pfn) < 0 || !this.isPinnable(this.table.head(pfn))) return -EAGAIN;
    this.pin(pfn);
    return pfn;
  }

  /**
   * Pins, and as long as some page lies wrong, moves those and starts over (__gup_longterm_locked).
   */
  private pinSlow(mm: MmStruct, start: number, pages: number, nid: number): number[] | number {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const pfns: number[] = [];
      let rc = 0;
      while (pfns.length < pages && rc === 0) {
        const pfn = this.faultInToPin(mm, start + pfns.length, nid);
        if (pfn < 0) rc = pfn;
        else {
          this.pin(pfn);
          pfns.push(pfn);
        }
      }
      if (rc < 0 && pfns.length === 0) return rc;
      const wrong = this.unpinnable(pfns);
      if (wrong.size === 0 && rc === 0) return pfns;
      this.unpinAll(pfns);
      if (wrong.size === 0) return -EFAULT;
      const moved = this.moveAway(wrong);
      if (moved < 0) return moved;
    }
    return -ENOMEM;
  }

  private faultInToPin(mm: MmStruct, vpn: number, nid: number): number {
    const vma = mm.find(vpn);
    if (vma === null) return -EFAULT;
    const refusal = pinRefusal(vma);
    if (refusal < 0) return refusal;
    const found = this.faultIn(mm, vpn, nid, PIN_READY);
    if (found === 'zero') return -EFAULT;
    return found < 0 ? found : this.grabRefusal(found) || found;
  }

  /** @returns 0, or -errno for a page that its owner gives to those only who can handle it */
  private grabRefusal(pfn: number): number {
    return this.managed.folio_managed_grab_refusal(this.grabSite, this.table.head(pfn));
  }

  /** Faults until the entry allows the access (__get_user_pages, faultin_page). */
  private faultIn(mm: MmStruct, vpn: number, nid: number, need: number): number | 'zero' {
    const write = (need & PTE_WRITE) !== 0;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const slot = this.ptes.find(mm.id, vpn);
      const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
      if ((bits & need) === need) {
        return (bits & PTE_SPECIAL) !== 0 ? 'zero' : this.ptes.value[slot]!;
      }
      const result = this.memory.handleMmFault(mm, vpn, write, nid);
      if ((result & VM_FAULT_OOM) !== 0) return -ENOMEM;
      if ((result & VM_FAULT_ERROR) !== 0) return -EFAULT;
    }
    return -EFAULT;
  }

  private pin(pfn: number): void {
    const folio = this.table.head(pfn);
    this.folios.get(folio);
    this.table.set(folio, PG_pinned);
    this.pins.set(folio, this.pinCount(folio) + 1);
    this.vmstat.add(this.acquired, 1);
  }

  private unpinAll(pfns: readonly number[]): void {
    for (const pfn of pfns) this.unpin(pfn);
  }

  /**
   * For a private node the flag decides alone; elsewhere ZONE_MOVABLE is not pinnable (patch 20).
   */
  private isPinnable(folio: number): boolean {
    const byOwner = this.managed.folio_managed_allows_longterm_pin(this.site, folio);
    if (byOwner !== null) return byOwner;
    return this.nodes.zoneOf(folio).type !== ZONE_MOVABLE;
  }

  private unpinnable(pfns: readonly number[]): Set<number> {
    const folios = new Set(pfns.map((pfn) => this.table.head(pfn)));
    for (const folio of folios) if (this.isPinnable(folio)) folios.delete(folio);
    return folios;
  }

  /**
   * Migrates to pinnable pages: same node preferred, not movable
   * (collect_longterm_unpinnable_folios, migrate_longterm_unpinnable_folios). Folios that cannot be
   * isolated are tried again by the caller.
   */
  private moveAway(folios: ReadonlySet<number>): number {
    const list: number[] = [];
    let drained = false;
    for (const folio of folios) {
      if (!this.managed.folio_may_be_lru(this.unlistedSite, folio)) {
        if (this.onUnlisted(folio) < 0) return -EBUSY;
        continue;
      }
      if (!drained && !this.table.has(folio, PG_lru)) {
        this.folios.lruAddDrainAll();
        drained = true;
      }
      if (this.folios.isolateLru(folio)) list.push(folio);
    }
    this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_LONGTERM_PIN,
      newFolio: (src) =>
        this.pageAlloc.alloc({
          gfp: GFP_USER | __GFP_NOWARN,
          order: this.table.order[src]!,
          nid: this.nodes.nidOf(src),
          nodemask: null,
        }),
    });
    for (const left of list) this.folios.putbackLru(left);
    return list.length === 0 ? 0 : -ENOMEM;
  }
}
export const GupToken = createToken<Gup>('Gup');

/** An entry that a write pin may use as it is. */
const PIN_READY = PTE_PRESENT | PTE_WRITE;

/**
 * Why pages of the area can't be pinned for long and for writing (check_vma_flags): -errno, or 0.
 * Those of a file that must notice every first store are not (writable_file_mapping_allowed).
 */
function pinRefusal(vma: Vma): number {
  const { file, flags } = vma;
  if (file !== null && file.longtermRefusal < 0) return file.longtermRefusal;
  if ((flags & VM_WRITE) === 0) return -EFAULT;
  return isSharedWritable(vma) && file?.needsWriteback === true ? -EFAULT : 0;
}
