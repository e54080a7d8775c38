import { EBUSY, EHWPOISON, ENXIO } from '../abi/errno.js';
import {
  MF_ACTION_REQUIRED,
  MF_MUST_KILL,
  MF_RESULTS,
  type MfResult,
} from '../abi/memory-failure.js';
import { N_MEMORY } from '../abi/node-states.js';
import { PG_hugetlb, PG_hwpoison, PG_isolated } from '../abi/page-flags.js';
import { PTE_TYPE_HWPOISON, pteHoldsPage, pteType } from '../abi/pte.js';
import { PAGE_SHIFT } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { takePageOff } from '../mem/buddy.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type PoisonedUsers, PoisonedUsersToken } from './poisoned-users.js';
import { type Work, WorkToken } from './work.js';

/** What became of the poisoned pages of a node (struct memory_failure_stats). */
export type MfStats = Record<MfResult, number>;

/**
 * Poisoned pages (mm/memory-failure.c). The frame keeps a reference for ever, so it never returns
 * to the buddy allocator; its mappings become hwpoison entries and the next access raises SIGBUS.
 *
 * Simplified: only the running task is signalled, and only when it asked for it
 * (MF_ACTION_REQUIRED); no early kill, no unpoison. A page that nobody here can handle loses its
 * mark again, as whoever holds it may still free it; the shared zero page keeps it.
 */
@injectable()
export class MemoryFailure {
  private readonly site = Sites.index('memory-failure.memory_failure');
  private readonly onlineSite = Sites.index('memory-failure.memory_failure_dev_pagemap');
  /**
   * Takes errors in pages that are not online (memory_failure_dev_pagemap): their owner's
   * mechanism sets it. @returns 0 or -errno
   */
  onOffline: (pfn: number, flags: number) => number = () => -ENXIO;
  /** Frames taken out of use (HardwareCorrupted), in pages. */
  readonly poisoned = new Set<number>();
  /** Was the shared zero page poisoned? It goes on being used. */
  zeroPagePoisoned = false;
  private readonly stats = new Map<number, MfStats>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(PoisonedUsersToken) private readonly users: PoisonedUsers,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** What became of a node's poisoned pages. */
  statsOf(nid: number): Readonly<MfStats> {
    return this.stats.get(nid) ?? { ignored: 0, failed: 0, delayed: 0, recovered: 0 };
  }

  /** All poisoned pages of a node. */
  totalOf(nid: number): number {
    const stats = this.statsOf(nid);
    return MF_RESULTS.reduce((sum, result) => sum + stats[result], 0);
  }

  /**
   * @param flags MF_*
   * @returns 0 handled, or poisoned already and not mapped by who asks; -EHWPOISON already
   *   poisoned, or a large folio that can't be split; -EBUSY somebody holds it; -ENXIO no such page
   */
  memoryFailure(pfn: number, flags: number): number {
    if (!this.nodes.isValid(pfn)) return -ENXIO;
    if (!this.managed.folio_may_be_lru(this.onlineSite, pfn)) return this.onOffline(pfn, flags);
    if (this.table.has(pfn, PG_hwpoison)) return this.again(pfn, flags);
    this.table.set(pfn, PG_hwpoison);
    this.managed.folio_managed_memory_failure(this.site, this.table.head(pfn), pfn, flags);
    const tp = this.tracepoints.mm_memory_failure;
    if (tp.enabled) tp.emit(pfn, flags);
    const rc = this.handle(pfn, flags);
    if (rc < 0) this.table.clear(pfn, PG_hwpoison);
    else this.poisoned.add(pfn);
    return rc;
  }

  /**
   * Poison in the shared zero page, which belongs to the kernel: it is only noted; whoever reaches
   * it a second time is signalled.
   */
  zeroPageFailure(flags: number): number {
    if (this.zeroPagePoisoned) {
      if ((flags & MF_ACTION_REQUIRED) !== 0) this.killCurrent();
      return -EHWPOISON;
    }
    this.zeroPagePoisoned = true;
    return this.result(this.nodes.inState(N_MEMORY)[0] ?? 0, 'ignored');
  }

  /**
   * Keeps a free page away from the allocator for good (page_handle_poison); it stands as isolated,
   * with the one reference that poison holds.
   * @returns 0, or -EBUSY if it is not on the free lists
   */
  takeFree(pfn: number): number {
    if (!takePageOff(this.table, this.nodes.zoneOf(pfn), pfn)) return -EBUSY;
    this.table.refcount[pfn] = 1;
    this.table.set(pfn, PG_hwpoison | PG_isolated);
    this.poisoned.add(pfn);
    return 0;
  }

  /** kill_accessing_process: who comes upon known poison once more. */
  private again(pfn: number, flags: number): number {
    if ((flags & MF_ACTION_REQUIRED) === 0) return -EHWPOISON;
    if (!this.isMappedByCurrent(pfn)) return 0;
    this.killCurrent();
    return -EHWPOISON;
  }

  private handle(pfn: number, flags: number): number {
    const nid = this.nodes.nidOf(pfn);
    // Simplified: pages of the hugetlb pool are the kernel's here; Linux unmaps and dissolves them.
    if (this.table.has(this.table.head(pfn), PG_hugetlb)) return this.result(nid, 'ignored');
    if (this.table.refcount[this.table.head(pfn)] === 0) {
      return this.result(nid, this.takeFree(pfn) === 0 ? 'recovered' : 'failed');
    }
    this.folios.lruAddDrainAll();
    const folio = this.table.head(pfn);
    if (!this.folios.isolateLru(folio)) return this.result(nid, 'ignored');
    const concerned = (flags & MF_ACTION_REQUIRED) !== 0 && this.isMappedByCurrent(pfn);
    if (this.table.order[folio]! > 0 && !this.split(folio, pfn)) {
      if (concerned) this.killCurrent();
      this.result(nid, 'failed');
      return -EHWPOISON;
    }
    const unmapped = this.users.unmap(pfn);
    const mustKill = !unmapped || (flags & MF_MUST_KILL) !== 0 || this.users.wasDirty(pfn);
    if (concerned && mustKill) this.killCurrent();
    if (unmapped) return this.result(nid, this.users.recover(pfn));
    this.folios.putbackLru(pfn);
    return this.result(nid, 'failed');
  }

  /** Counts what became of a page of a node (action_result). */
  private result(nid: number, result: MfResult): number {
    this.stats.set(nid, { ...this.statsOf(nid), [result]: this.statsOf(nid)[result] + 1 });
    return result === 'recovered' || result === 'delayed' ? 0 : -EBUSY;
  }

  /** Does the running task map the page, or did it before it was poisoned? */
  private isMappedByCurrent(pfn: number): boolean {
    const mm = this.work.current?.mm;
    if (mm === undefined) return false;
    if (this.rmap.slots(pfn).some((slot) => this.ptes.mmOf(slot) === mm.id)) return true;
    let found = false;
    this.ptes.walk(mm.id, 0, Infinity, (slot) => {
      const bits = this.ptes.bits[slot]!;
      const isPoison = !pteHoldsPage(bits) && pteType(bits) === PTE_TYPE_HWPOISON;
      found ||= isPoison && this.ptes.value[slot] === pfn;
    });
    return found;
  }

  /** kill_proc with MF_ACTION_REQUIRED: SIGBUS, BUS_MCEERR_AR. */
  private killCurrent(): void {
    const task = this.work.current;
    if (task !== null) task.lastSignal = { signal: 'SIGBUS', code: 'MCEERR_AR', lsb: PAGE_SHIFT };
  }

  /** Splits an isolated large folio and keeps only the poisoned page of it isolated. */
  private split(folio: number, poisoned: number): boolean {
    const fresh = this.huge.splitFolio(folio);
    for (const part of [folio, ...(fresh ?? [])]) {
      if (fresh === null || part !== poisoned) this.folios.putbackLru(part);
    }
    return fresh !== null;
  }
}
export const MemoryFailureToken = createToken<MemoryFailure>('MemoryFailure');
