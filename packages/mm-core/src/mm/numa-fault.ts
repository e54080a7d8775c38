import {
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIM,
  __GFP_THISNODE,
  GFP_HIGHUSER_MOVABLE,
} from '../abi/gfp.js';
import { MIGRATE_ASYNC, MR_NUMA_MISPLACED } from '../abi/migrate.js';
import { VM_EXEC } from '../abi/mman.js';
import { NUMA_BALANCING_MEMORY_TIERING } from '../abi/numa-balancing.js';
import { PG_dirty, PG_swapbacked } from '../abi/page-flags.js';
import { PTE_ACCESSED, PTE_PRESENT, PTE_PROTNONE, PTE_SPECIAL, PTE_WRITE } from '../abi/pte.js';
import type { VmstatName } from '../abi/vmstat.js';
import { WMARK_HIGH, ZONE_MOVABLE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { isAccessible, pageProtWrites } from '../mem/page-prot.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';
import type { Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MemoryTiers, MemoryTiersToken } from './memory-tiers.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type MpolMisplaced, MpolMisplacedToken } from './mpol-misplaced.js';
import { type Mprotect, MprotectToken } from './mprotect.js';
import { type NumaPeriod, NumaPeriodToken } from './numa-period.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/**
 * A fault on an entry that is inaccessible in an accessible area: made so for NUMA balancing
 * (mm/memory.c:do_numa_page, mm/huge_memory.c:do_huge_pmd_numa_page). The folio moves to where it
 * is used, or its entries become accessible again.
 */
@injectable()
export class NumaFault {
  private readonly restoreSite = Sites.index('memory.do_numa_page');
  private readonly prepareSite = Sites.index('migrate.migrate_misplaced_folio_prepare');
  private readonly hintFaults = Vmstat.index('numa_hint_faults');
  private readonly hintFaultsLocal = Vmstat.index('numa_hint_faults_local');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MpolMisplacedToken) private readonly misplaced: MpolMisplaced,
    @inject(MprotectToken) private readonly mprotect: Mprotect,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
    @inject(NumaPeriodToken) private readonly period: NumaPeriod,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** @returns VM_FAULT_* bits */
  doNumaPage(vmf: FaultContext): number {
    vmf.unlock();
    this.work.charge(this.cost.ns.trap);
    if (!isAccessible(vmf.vma)) return 0;
    if ((vmf.bits & PTE_SPECIAL) !== 0) {
      this.restore(vmf.vma, vmf.slot);
      return 0;
    }
    const folio = this.table.head(vmf.value);
    if (this.sysctl.numa_balancing !== 0 && this.move(vmf, folio)) return 0;
    this.makeAccessible(vmf, folio);
    return 0;
  }

  /** @returns has the folio moved? */
  private move(vmf: FaultContext, folio: number): boolean {
    this.vmstat.add(this.hintFaults, 1);
    this.memcgs.countFolio(folio, this.hintFaults, 1);
    const nid = this.nodes.nidOf(folio);
    const isLocal = nid === vmf.nid;
    if (isLocal) this.vmstat.add(this.hintFaultsLocal, 1);
    const isPrivate = this.isPrivate(folio, nid);
    const target = this.misplaced.nodeFor(vmf, folio);
    const wanted = target >= 0;
    const pages = this.table.nrPages(folio);
    const moved =
      wanted && this.prepare(vmf.vma, folio, target) && this.migrateMisplaced(folio, target);
    const task = this.work.current;
    if (task !== null) {
      const result = { nid: moved ? target : nid, pages, isLocal, isPrivate };
      this.period.fault(task, { ...result, hasFailed: wanted && !moved });
    }
    return moved;
  }

  /** Did the running task use the folio last, or is that not known (cpupid_match_pid)? */
  private isPrivate(folio: number, nid: number): boolean {
    const tiering = (this.sysctl.numa_balancing & NUMA_BALANCING_MEMORY_TIERING) !== 0;
    if (tiering && !this.tiers.isTopTier(nid)) return true;
    const last = this.table.lastCpupid[folio]!;
    return last === 0 || last === (this.work.current?.pid ?? 0) + 1;
  }

  /** Isolates the folio if it may go to a node (migrate_misplaced_folio_prepare). */
  private prepare(vma: Vma, folio: number, nid: number): boolean {
    if (!this.managed.folio_managed_allows_migrate(this.prepareSite, folio)) return false;
    const isFile = !this.table.has(folio, PG_swapbacked);
    if (isFile && (vma.flags & VM_EXEC) !== 0 && this.rmapWalk.maybeMappedShared(folio)) {
      return false;
    }
    if (isFile && this.table.has(folio, PG_dirty)) return false;
    if (!this.isBalanced(nid, this.table.nrPages(folio))) {
      const tiering = (this.sysctl.numa_balancing & NUMA_BALANCING_MEMORY_TIERING) !== 0;
      if (tiering) this.zoneAlloc.wakeupKswapd(nid, this.table.order[folio]!);
      return false;
    }
    return this.folios.isolateLru(folio);
  }

  /** Would the node stay above HIGH (migrate_balanced_pgdat)? */
  private isBalanced(nid: number, pages: number): boolean {
    return this.nodes.pgdat(nid).zones.some((zone) => {
      if (zone.managedPages === 0) return false;
      return zone.watermarkOk(0, zone.wmark(WMARK_HIGH) + pages, ZONE_MOVABLE);
    });
  }

  private event(memcg: MemCgroup, name: VmstatName, pages: number): void {
    this.vmstat.count(name, pages);
    memcg.count(Vmstat.index(name), pages);
  }

  /** migrate_misplaced_folio. */
  private migrateMisplaced(folio: number, nid: number): boolean {
    const source = this.nodes.nidOf(folio);
    const memcg = this.memcgs.of(folio);
    const list = [folio];
    const { succeeded } = this.migrate.migratePages(list, {
      mode: MIGRATE_ASYNC,
      reason: MR_NUMA_MISPLACED,
      newFolio: (src) => {
        const order = this.table.order[src]!;
        return this.pageAlloc.alloc({ gfp: GFP_MISPLACED, order, nid, nodemask: null });
      },
    });
    for (const left of list) this.folios.putbackLru(left);
    if (succeeded > 0) this.countMoved(memcg, source, nid, succeeded);
    return list.length === 0;
  }

  /** Counts base pages of one folio; of one that was split, only some may have moved. */
  private countMoved(memcg: MemCgroup, source: number, nid: number, pages: number): void {
    this.event(memcg, 'numa_pages_migrated', pages);
    const tiering = (this.sysctl.numa_balancing & NUMA_BALANCING_MEMORY_TIERING) !== 0;
    if (tiering && !this.tiers.isTopTier(source) && this.tiers.isTopTier(nid)) {
      this.event(memcg, 'pgpromote_success', pages);
    }
  }

  /** All entries of the folio around the fault become accessible at once (numa_rebuild_*). */
  private makeAccessible(vmf: FaultContext, folio: number): void {
    const leaf = vmf.slot >> LEAF_SHIFT;
    if (this.ptes.isHuge(vmf.slot)) {
      this.mapping.whole(leaf, () => this.restoreLeaf(vmf.vma, leaf, folio));
    } else if (this.table.order[folio]! > 0) {
      this.restoreLeaf(vmf.vma, leaf, folio);
    } else {
      this.restore(vmf.vma, vmf.slot);
    }
  }

  private restoreLeaf(vma: Vma, leaf: number, folio: number): void {
    const end = folio + this.table.nrPages(folio);
    const first = this.ptes.vpnOf(leaf << LEAF_SHIFT);
    const from = Math.max(first, vma.start);
    this.ptes.walkLeaf(leaf, from, Math.min(first + (1 << LEAF_SHIFT), vma.end), (slot) => {
      const pfn = this.ptes.value[slot]!;
      const isInaccessible = (this.ptes.bits[slot]! & PTE_PROTNONE) !== 0;
      if (isInaccessible && pfn >= folio && pfn < end) this.restore(vma, slot);
    });
  }

  /** Of the zero page, or of a folio whose owner protects writes (RFC v4 patch 15)? */
  private isFenced(slot: number, bits: number): boolean {
    if ((bits & PTE_SPECIAL) !== 0) return true;
    const folio = this.table.head(this.ptes.value[slot]!);
    return this.managed.folio_managed_wrprotect(this.restoreSite, folio);
  }

  /** One entry gets the protection of its area back (numa_rebuild_single_mapping). */
  private restore(vma: Vma, slot: number): void {
    const bits = this.ptes.bits[slot]!;
    const writes = pageProtWrites(vma) || this.mprotect.canChangeWritable(slot, bits, vma);
    const write = writes && !this.isFenced(slot, bits) ? PTE_WRITE : 0;
    this.mapping.change(slot, PTE_PRESENT | PTE_ACCESSED | write, PTE_PROTNONE);
  }
}
export const NumaFaultToken = createToken<NumaFault>('NumaFault');

/** alloc_misplaced_dst_folio: exactly there, without any effort. */
const GFP_MISPLACED =
  (GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM) |
  __GFP_THISNODE |
  __GFP_NOMEMALLOC |
  __GFP_NORETRY |
  __GFP_NOWARN;
