import { MPOL_F_MOF } from '../abi/mempolicy.js';
import { VM_HUGETLB, VM_READ, VM_SHARED, VM_SPECIAL, VM_WRITE } from '../abi/mman.js';
import { NUMA_BALANCING_MEMORY_TIERING, NUMA_BALANCING_NORMAL } from '../abi/numa-balancing.js';
import { PG_dirty, PG_ksm, PG_pinned, PG_swapbacked } from '../abi/page-flags.js';
import { PTE_PRESENT, PTE_PROTNONE, PTE_SPECIAL, PTE_WRITE, pteMapsPage } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { isAccessible } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import type { Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MemoryTiers, MemoryTiersToken } from './memory-tiers.js';
import { MMU_NOTIFY_PROTECTION_VMA, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type NumaPeriod, NumaPeriodToken } from './numa-period.js';
import { areaPolicy } from './policy-nodes.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

const NS_PER_MS = 1_000_000;
/** A scheduler tick: HZ is 250. */
const TICK_NS = 4 * NS_PER_MS;
const PAGES_PER_MB = 256;

/**
 * The scanner of NUMA balancing (kernel/sched/fair.c:task_tick_numa, task_numa_work): while a task
 * runs, pages of its address space are made inaccessible now and then, so that the next access
 * tells from where it comes.
 *
 * Simplified: time runs in ticks, the one who runs at a tick ran all of it; a scan takes no time;
 * areas are neither delayed nor passed over by who used them.
 */
@injectable()
export class NumaScan {
  private readonly pteUpdates = Vmstat.index('numa_pte_updates');
  private readonly hugePteUpdates = Vmstat.index('numa_huge_pte_updates');
  private readonly site = Sites.index('mempolicy.folio_can_map_prot_numa');
  private isTicking = false;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(NumaPeriodToken) private readonly period: NumaPeriod,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** Ticks from now on, as long as balancing is on. */
  start(): void {
    if (this.isTicking || this.sysctl.numa_balancing === 0) return;
    this.isTicking = true;
    this.clock.after(TICK_NS, () => this.tick());
  }

  /** Scans all of a task's address space now, for whoever wants no more than that. */
  scanAll(task: TaskStruct): number {
    let updates = 0;
    this.work.runAs(task);
    for (const vma of this.suitable(task)) updates += this.changeProtNuma(task, vma);
    task.numa.scanSeq++;
    return updates;
  }

  private tick(): void {
    if (this.sysctl.numa_balancing === 0) {
      this.isTicking = false;
      return;
    }
    const task = this.work.interrupted;
    if (task?.alive) this.taskTick(task);
    this.clock.after(TICK_NS, () => this.tick());
  }

  /** task_tick_numa. */
  private taskTick(task: TaskStruct): void {
    const { numa } = task;
    numa.execNs += TICK_NS;
    const periodNs = numa.scanPeriodMs * NS_PER_MS;
    if (numa.execNs <= numa.nodeStampNs + periodNs) return;
    if (numa.nodeStampNs === 0) numa.scanPeriodMs = this.period.min(task);
    numa.nodeStampNs += periodNs;
    if (this.clock.now < numa.nextScanNs || task.memsAllowed?.size === 1) return;
    numa.nextScanNs = this.clock.now + numa.scanPeriodMs * NS_PER_MS;
    numa.nodeStampNs += 2 * TICK_NS;
    this.work.runAs(task);
    this.scan(task);
  }

  /** One stretch of the address space, from where the last one ended (task_numa_work). */
  private scan(task: TaskStruct): void {
    const { numa } = task;
    let pages = this.sysctl.numa_balancing_scan_size_mb * PAGES_PER_MB;
    let virtPages = pages * 8;
    for (const vma of this.suitable(task)) {
      if (vma.end <= numa.scanOffset) continue;
      for (let at = Math.max(vma.start, numa.scanOffset); at < vma.end; ) {
        const end = Math.min(vma.end, Math.ceil((at + pages) / PTRS_PER_PTE) * PTRS_PER_PTE);
        if (this.changeProtNuma(task, { ...vma, start: at, end }) > 0) pages -= end - at;
        virtPages -= end - at;
        at = end;
        numa.scanOffset = end;
        if (pages <= 0 || virtPages <= 0) return;
      }
    }
    numa.scanSeq++;
    numa.scanOffset = 0;
  }

  /** Areas whose pages may move to where they are used. */
  private suitable(task: TaskStruct): Vma[] {
    return task.mm.vmas.filter((vma) => {
      if ((vma.flags & (VM_SPECIAL | VM_HUGETLB)) !== 0 || !isAccessible(vma)) return false;
      if (vma.file !== null && (vma.flags & (VM_READ | VM_WRITE)) === VM_READ) return false;
      const policy = areaPolicy(vma, vma.start) ?? task.policy;
      return policy === null || (policy.flags & MPOL_F_MOF) !== 0;
    });
  }

  /** Makes the pages of an area inaccessible (change_prot_numa). @returns pages */
  private changeProtNuma(task: TaskStruct, vma: Vma): number {
    let updates = 0;
    const { start, end } = vma;
    this.notifiers.invalidate(task.mm.id, start, end, MMU_NOTIFY_PROTECTION_VMA);
    this.mapping.range(task.mm.id, vma.start, vma.end, (slot) => {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsPage(bits) || (bits & (PTE_PROTNONE | PTE_SPECIAL)) !== 0) return;
      if (!this.canMapProtNuma(task, vma, this.table.head(this.ptes.value[slot]!))) return;
      this.mapping.change(slot, PTE_PROTNONE, PTE_PRESENT | PTE_WRITE);
      updates++;
      const isHuge = this.ptes.isHuge(slot) && slot % PTRS_PER_PTE === 0;
      if (isHuge) this.vmstat.add(this.hugePteUpdates, 1);
    });
    this.vmstat.add(this.pteUpdates, updates);
    this.memcgs.countMm(task.mm, this.pteUpdates, updates);
    return updates;
  }

  /** Is it of any use to see who accesses the folio (folio_can_map_prot_numa)? */
  private canMapProtNuma(task: TaskStruct, vma: Vma, folio: number): boolean {
    if (!this.managed.folio_managed_allows_numa(this.site, folio)) return false;
    if (this.table.has(folio, PG_ksm | PG_pinned)) return false;
    const isShared = (vma.flags & VM_SHARED) !== 0;
    if (!isShared && this.rmapWalk.maybeMappedShared(folio)) return false;
    if (this.table.has(folio, PG_dirty) && !this.table.has(folio, PG_swapbacked)) return false;
    const nid = this.nodes.nidOf(folio);
    if (!isShared && nid === task.nid) return false;
    const mode = this.sysctl.numa_balancing;
    const isTop = this.tiers.isTopTier(nid);
    if ((mode & NUMA_BALANCING_NORMAL) === 0 && isTop) return false;
    if ((mode & NUMA_BALANCING_MEMORY_TIERING) !== 0 && !isTop) {
      this.table.lastCpupid[folio] = Math.floor(this.clock.now / NS_PER_MS) + 1;
    }
    return true;
  }
}
export const NumaScanToken = createToken<NumaScan>('NumaScan');
