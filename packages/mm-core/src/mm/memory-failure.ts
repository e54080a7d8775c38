import { EBUSY, EHWPOISON, ENXIO } from '../abi/errno.js';
import {
  MF_ACTION_REQUIRED,
  MF_MUST_KILL,
  MF_RESULTS,
  type MfResult,
} from '../abi/memory-failure.js';
import { N_MEMORY } from '../abi/node-states.js';
import { PG_anon, PG_hugetlb, PG_hwpoison, PG_isolated } from '../abi/page-flags.js';
import { PTE_TYPE_HWPOISON, pteHoldsPage, pteType } from '../abi/pte.js';
import type { SignalInfo } from '../abi/siginfo.js';
import { PAGE_SHIFT, PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { takePageOff } from '../mem/buddy.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type HugetlbFailure, HugetlbFailureToken } from './hugetlb-failure.js';
import { type PoisonedUsers, PoisonedUsersToken } from './poisoned-users.js';
import { Sysctl } from './sysctl.js';
import { type Tasks, TasksToken } from './tasks.js';
import { type Work, WorkToken } from './work.js';

/** What became of the poisoned pages of a node (struct memory_failure_stats). */
export type MfStats = Record<MfResult, number>;

/**
 * Poisoned pages (mm/memory-failure.c). The frame keeps a reference for ever, so it never returns
 * to the buddy allocator; its mappings become hwpoison entries and the next access raises SIGBUS.
 *
 * Simplified: the running task is signalled when it asked for it (MF_ACTION_REQUIRED), others by
 * vm.memory_failure_early_kill alone; no unpoison. A page that nobody here can handle loses its
 * mark again, as whoever holds it may still free it; the shared zero page keeps it.
 */
@injectable()
export class MemoryFailure {
  private readonly site = Sites.index('memory-failure.memory_failure');
  private readonly onlineSite = Sites.index('memory-failure.pfn_to_online_page');
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
    @inject(HugetlbFailureToken) private readonly hugetlb: HugetlbFailure,
    @inject(TasksToken) private readonly tasks: Tasks,
    @inject(Sysctl) private readonly sysctl: Sysctl,
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
    const isHeld = this.table.refcount[this.table.head(pfn)] !== 0;
    const isEarly = isHeld || !this.managed.rules.poisonHeldFirst;
    if (isEarly) this.tellOwner(pfn, flags);
    const tp = this.tracepoints.mm_memory_failure;
    if (tp.enabled) tp.emit(pfn, flags);
    const rc = this.handle(pfn, flags);
    if (rc < 0) this.table.clear(pfn, PG_hwpoison);
    else this.poisoned.add(pfn);
    if (!isEarly && rc === 0) this.tellOwner(pfn, flags);
    return rc;
  }

  private tellOwner(pfn: number, flags: number): void {
    this.managed.folio_managed_memory_failure(this.site, this.table.head(pfn), pfn, flags);
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
    if (this.table.has(this.table.head(pfn), PG_hugetlb)) {
      return this.result(nid, this.handleHuge(this.table.head(pfn), pfn, flags));
    }
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
    const others = this.othersToTell(pfn);
    const dies = (flags & MF_ACTION_REQUIRED) !== 0 && this.mapsNow(pfn);
    const unmapped = this.users.unmap(pfn);
    const mustKill = !unmapped || (flags & MF_MUST_KILL) !== 0 || this.users.wasDirty(pfn);
    if (dies && mustKill) this.killCurrent();
    if (mustKill) for (const task of others) task.lastSignal = EARLY_KILL;
    if (unmapped) return this.result(nid, this.users.recover(pfn));
    this.folios.putbackLru(pfn);
    return this.result(nid, 'failed');
  }

  /**
   * A page of the hugetlb pool is unmapped whole; free of users it leaves the pool, and all but the
   * poisoned part of it goes to the buddy allocator (try_memory_failure_hugetlb, me_huge_page).
   */
  private handleHuge(folio: number, pfn: number, flags: number): MfResult {
    if (!this.hugetlb.isFree(folio)) {
      const concerned = (flags & MF_ACTION_REQUIRED) !== 0 && this.isMappedByCurrent(folio);
      const mustKill = (flags & MF_MUST_KILL) !== 0 || this.users.wasDirty(folio);
      this.hugetlb.unmap(folio);
      if (concerned && mustKill) this.killCurrent(PAGE_SHIFT + PMD_ORDER);
      if (this.hugetlb.isKept(folio)) return 'recovered';
    }
    return this.hugetlb.dissolve(folio) && this.takeFree(pfn) === 0 ? 'recovered' : 'failed';
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
    if (this.mapsNow(pfn)) return true;
    let found = false;
    this.ptes.walk(mm.id, 0, Infinity, (slot) => {
      const bits = this.ptes.bits[slot]!;
      const isPoison = !pteHoldsPage(bits) && pteType(bits) === PTE_TYPE_HWPOISON;
      found ||= isPoison && this.ptes.value[slot] === pfn;
    });
    return found;
  }

  private mapsNow(pfn: number): boolean {
    const mm = this.work.current?.mm.id ?? -1;
    return this.rmap.slots(pfn).some((slot) => this.ptes.mmOf(slot) === mm);
  }

  /** Tasks besides the running one that are told at once (collect_procs, task_early_kill). */
  private othersToTell(pfn: number): TaskStruct[] {
    if (!this.sysctl.memory_failure_early_kill) return [];
    const mms = new Set(this.rmap.slots(pfn).map((slot) => this.ptes.mmOf(slot)));
    mms.delete(this.work.current?.mm.id ?? -1);
    return [...this.tasks.all()].filter(({ alive, mm }) => alive && mms.has(mm.id));
  }

  /** kill_proc with MF_ACTION_REQUIRED: SIGBUS, BUS_MCEERR_AR. */
  private killCurrent(lsb = PAGE_SHIFT): void {
    const task = this.work.current;
    if (task !== null) task.lastSignal = { signal: 'SIGBUS', code: 'MCEERR_AR', lsb };
  }

  /**
   * Splits an isolated large folio and keeps only the poisoned page of it isolated. Entries of base
   * pages are poison from then on, and who has them is told by the next access only
   * (try_to_migrate_one); those that a huge entry splits into still map the page.
   */
  private split(folio: number, poisoned: number): boolean {
    const isAnon = this.table.has(folio, PG_anon);
    const slots = isAnon ? this.rmap.slots(poisoned) : [];
    const single = slots.filter((slot) => !this.ptes.isHuge(slot));
    const fresh = this.huge.splitFolio(folio);
    if (fresh !== null) this.users.poison(poisoned, single);
    for (const part of [folio, ...(fresh ?? [])]) {
      if (fresh === null || part !== poisoned) this.folios.putbackLru(part);
    }
    return fresh !== null;
  }
}
const EARLY_KILL: SignalInfo = { signal: 'SIGBUS', code: 'MCEERR_AO', lsb: PAGE_SHIFT };
export const MemoryFailureToken = createToken<MemoryFailure>('MemoryFailure');
