import { N_CPU, N_MEMORY } from '../abi/node-states.js';
import type { VmstatName } from '../abi/vmstat.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import type { Services } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import type { Plugin } from '../hooks/plugin.js';
import { type Sites, SitesToken } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import type { MmStruct } from '../mem/vma.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type CgroupTree, CgroupTreeToken } from '../mm/cgroup.js';
import { type CompactZone, CompactZoneToken } from '../mm/compact-zone.js';
import { type Compaction, CompactionToken } from '../mm/compaction.js';
import { CostModel } from '../mm/cost-model.js';
import { type Cpusets, CpusetsToken } from '../mm/cpuset.js';
import { type DeferredSplit, DeferredSplitToken } from '../mm/deferred-split.js';
import { type EvictInode, EvictInodeToken } from '../mm/evict-inode.js';
import { type Filemap, FilemapToken } from '../mm/filemap.js';
import { type Files, FilesToken } from '../mm/files.js';
import { type Folios, FoliosToken } from '../mm/folio.js';
import { type Fork, ForkToken } from '../mm/fork.js';
import { type Gup, GupToken } from '../mm/gup.js';
import { HugeZeroToken } from '../mm/huge-zero.js';
import { HugetlbCacheToken } from '../mm/hugetlb-cache.js';
import { HugetlbReserveToken } from '../mm/hugetlb-reserve.js';
import { type InterleaveWeights, InterleaveWeightsToken } from '../mm/interleave-weights.js';
import { type Memcontrol, MemcontrolToken } from '../mm/memcontrol.js';
import { type Memory, MemoryToken } from '../mm/memory.js';
import { type MemoryBlocks, MemoryBlocksToken } from '../mm/memory-block.js';
import { type MemoryFailure, MemoryFailureToken } from '../mm/memory-failure.js';
import { type MemoryHotplug, MemoryHotplugToken } from '../mm/memory-hotplug.js';
import { type MemoryTiers, MemoryTiersToken } from '../mm/memory-tiers.js';
import { type Migrate, MigrateToken } from '../mm/migrate.js';
import { type Mmap, MmapToken } from '../mm/mmap.js';
import { type Mms, MmsToken } from '../mm/mms.js';
import { MmuNotifiersToken } from '../mm/mmu-notifier.js';
import { type MovePages, MovePagesToken } from '../mm/move-pages.js';
import { type Mprotect, MprotectToken } from '../mm/mprotect.js';
import { type NumaMaps, NumaMapsToken } from '../mm/numa-maps.js';
import { type NumaScan, NumaScanToken } from '../mm/numa-scan.js';
import { type OomKill, OomKillToken } from '../mm/oom-kill.js';
import { type PageAlloc, PageAllocToken } from '../mm/page-alloc.js';
import { type PageCache, PageCacheToken } from '../mm/page-cache.js';
import { type SoftOffline, SoftOfflineToken } from '../mm/soft-offline.js';
import { type Swap, SwapToken } from '../mm/swap.js';
import { SwapBackend } from '../mm/swap-backend.js';
import { type Swapoff, SwapoffToken } from '../mm/swapoff.js';
import { type Tasks, TasksToken } from '../mm/tasks.js';
import { type ThpSettings, ThpSettingsToken } from '../mm/thp-settings.js';
import { type Truncate, TruncateToken } from '../mm/truncate.js';
import { type Watermarks, WatermarksToken } from '../mm/watermarks.js';
import { type Work, WorkToken } from '../mm/work.js';
import { type Zap, ZapToken } from '../mm/zap.js';
import { type ZoneAlloc, ZoneAllocToken } from '../mm/zone-alloc.js';
import { type Zswap, ZswapToken } from '../mm/zswap.js';
import type { PseudoFiles } from '../sys/pseudo-files.js';
import { AccessEngine } from './access-engine.js';
import type { MachineConfig } from './config.js';
import { Proc } from './proc.js';
import { createPseudoFiles } from './pseudo-file-sources.js';
import { collectStats } from './stats.js';
import { Syscalls } from './syscalls.js';
import { Task } from './task.js';
import { verifyMachine } from './verify.js';

/** A sealed machine: fields only, the container is not used any more. Made by `createMachine`. */
export class Machine {
  readonly clock: Clock;
  readonly tracepoints: Tracepoints;
  readonly cost: CostModel;
  readonly managed: Managed;
  readonly sites: Sites;
  readonly table: FolioTable;
  readonly nodes: Nodes;
  readonly ptes: Ptes;
  readonly rmap: Rmap;
  readonly lru: LruLists;
  readonly counters: Vmstat;
  readonly cgroups: CgroupTree;
  readonly memcgs: MemCgroups;
  readonly mms: Mms;
  readonly tasks: Tasks;
  readonly folios: Folios;
  readonly zoneAlloc: ZoneAlloc;
  readonly pageAlloc: PageAlloc;
  readonly migrate: Migrate;
  readonly swap: Swap;
  readonly swapBackend: SwapBackend;
  readonly zswap: Zswap;
  readonly swapoff: Swapoff;
  readonly files: Files;
  readonly pageCache: PageCache;
  readonly filemap: Filemap;
  readonly truncate: Truncate;
  readonly memory: Memory;
  readonly mmap: Mmap;
  readonly mprotect: Mprotect;
  readonly numaMaps: NumaMaps;
  readonly cpusets: Cpusets;
  readonly interleaveWeights: InterleaveWeights;
  readonly fork: Fork;
  readonly movePages: MovePages;
  readonly gup: Gup;
  readonly numaScan: NumaScan;
  readonly memoryFailure: MemoryFailure;
  readonly softOffline: SoftOffline;
  readonly hotplug: MemoryHotplug;
  readonly blocks: MemoryBlocks;
  readonly compaction: Compaction;
  readonly compactZone: CompactZone;
  readonly tiers: MemoryTiers;
  readonly watermarks: Watermarks;
  readonly oom: OomKill;
  readonly deferredSplit: DeferredSplit;
  readonly thp: ThpSettings;
  readonly work: Work;
  /** System calls by bytes. */
  readonly sys: Syscalls;
  /** Files of processes. */
  readonly proc: Proc;
  /** Files of /proc, /sys and control groups. */
  readonly pseudoFiles: PseudoFiles;
  readonly engine: AccessEngine;
  private readonly zap: Zap;
  private readonly memcontrol: Memcontrol;
  private readonly evict: EvictInode;

  constructor(
    private readonly services: Services,
    readonly config: MachineConfig,
    readonly plugins: readonly Plugin[],
  ) {
    this.clock = services.get(ClockToken);
    this.tracepoints = services.get(Tracepoints);
    this.cost = services.get(CostModel);
    this.managed = services.get(ManagedToken);
    this.sites = services.get(SitesToken);
    this.table = services.get(FolioTableToken);
    this.nodes = services.get(NodesToken);
    this.ptes = services.get(PtesToken);
    this.rmap = services.get(RmapToken);
    this.lru = services.get(LruListsToken);
    this.counters = services.get(VmstatToken);
    this.cgroups = services.get(CgroupTreeToken);
    this.memcgs = services.get(MemCgroupsToken);
    this.memcontrol = services.get(MemcontrolToken);
    this.mms = services.get(MmsToken);
    this.tasks = services.get(TasksToken);
    this.folios = services.get(FoliosToken);
    this.zoneAlloc = services.get(ZoneAllocToken);
    this.pageAlloc = services.get(PageAllocToken);
    this.migrate = services.get(MigrateToken);
    this.swap = services.get(SwapToken);
    this.swapBackend = services.get(SwapBackend);
    this.zswap = services.get(ZswapToken);
    this.swapoff = services.get(SwapoffToken);
    this.files = services.get(FilesToken);
    this.pageCache = services.get(PageCacheToken);
    this.filemap = services.get(FilemapToken);
    this.truncate = services.get(TruncateToken);
    this.memory = services.get(MemoryToken);
    this.mmap = services.get(MmapToken);
    this.mprotect = services.get(MprotectToken);
    this.numaMaps = services.get(NumaMapsToken);
    this.cpusets = services.get(CpusetsToken);
    this.interleaveWeights = services.get(InterleaveWeightsToken);
    this.fork = services.get(ForkToken);
    this.movePages = services.get(MovePagesToken);
    this.gup = services.get(GupToken);
    this.numaScan = services.get(NumaScanToken);
    this.memoryFailure = services.get(MemoryFailureToken);
    this.softOffline = services.get(SoftOfflineToken);
    this.hotplug = services.get(MemoryHotplugToken);
    this.compaction = services.get(CompactionToken);
    this.compactZone = services.get(CompactZoneToken);
    this.blocks = services.get(MemoryBlocksToken);
    this.tiers = services.get(MemoryTiersToken);
    this.watermarks = services.get(WatermarksToken);
    this.oom = services.get(OomKillToken);
    this.deferredSplit = services.get(DeferredSplitToken);
    this.thp = services.get(ThpSettingsToken);
    this.work = services.get(WorkToken);
    this.zap = services.get(ZapToken);
    this.evict = services.get(EvictInodeToken);
    this.sys = new Syscalls(services);
    this.proc = new Proc(services);
    this.pseudoFiles = createPseudoFiles(services);
    this.engine = this.createEngine();
    this.oom.reaper = (mm) => this.zap.range(mm, 0, Infinity);
  }

  private createEngine(): AccessEngine {
    const contents = this.services.get(ContentsToken);
    const engine = new AccessEngine({
      clock: this.clock,
      work: this.work,
      table: this.table,
      nodes: this.nodes,
      ptes: this.ptes,
      contents,
      cache: this.pageCache,
      hugetlb: this.services.get(HugetlbCacheToken),
      memory: this.services.get(MemoryToken),
      memoryFailure: this.memoryFailure,
      oom: this.oom,
      zap: this.zap,
      tracepoints: this.tracepoints,
    });
    contents.onChangedBehind = (pfn) => engine.forgetChecks(this.rmap.slots(pfn));
    return engine;
  }

  /**
   * A new task with an empty address space. @param nid node of its CPU; default the first node with
   * one
   */
  createTask(name: string, nid = this.nodes.inState(N_CPU)[0] ?? 0): Task {
    return new Task(this, this.mms.create(name), nid);
  }

  /** Progress of the program, 0..1: contents may drift with it. */
  setProgress(progress: number): void {
    this.services.get(ContentsToken).progress = progress;
  }

  /** Who knows when a page was last stored to, 0..1 of the program (`Contents.settle`). */
  setLastStoreProgress(progressOf: (slot: number) => number): void {
    this.services.get(ContentsToken).lastStoreProgress = progressOf;
  }

  /** Moves the clock by what system calls charged. */
  spend(): void {
    this.clock.advance(this.work.take());
  }

  /** Nobody runs for a while. */
  sleep(ns: number): void {
    this.work.current = null;
    this.clock.advance(ns);
  }

  /** Unmaps everything of an address space and forgets it (mmput). */
  releaseMm(mm: MmStruct): void {
    this.services.get(MmuNotifiersToken).release(mm.id);
    this.zap.range(mm, 0, Infinity);
    const gone = mm.vmas;
    mm.vmas = [];
    this.services.get(HugetlbReserveToken).unmapped(mm, gone);
    this.evict.unmapped(gone);
    this.ptes.release(mm.id);
    this.services.get(HugeZeroToken).put(mm);
    this.memcontrol.releaseTables(mm);
    this.mms.delete(mm.id);
  }

  /** Pages in use on a node, those of a page map included. */
  usedPages(nid: number): number {
    const pgdat = this.nodes.pgdat(nid);
    const outside = pgdat.pagesOutside?.() ?? 0;
    return pgdat.managedPages() - pgdat.unusedPages() + outside;
  }

  /** Event counters by kernel name. */
  vmstat(): Record<VmstatName, number> {
    return this.counters.report();
  }

  /** Every figure of the run by dotted name; counters of plugins of the same name are added up. */
  stats(): Record<string, number> {
    return collectStats(this, this.services);
  }

  /**
   * Rechecks every invariant of the machine by a recount. @throws AssertionError that names the
   * broken one
   */
  verify(): void {
    verifyMachine(this);
  }

  /** Undoes every plugin's `probe`, last first. */
  remove(): void {
    for (const plugin of [...this.plugins].reverse()) plugin.remove?.(this.services);
    this.spend();
  }

  /** Nodes with ordinary memory. */
  memoryNodes(): number[] {
    return this.nodes.inState(N_MEMORY);
  }
}
