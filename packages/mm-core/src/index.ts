export {
  E2BIG,
  EACCES,
  EAGAIN,
  EBUSY,
  EEXIST,
  EFAULT,
  EHWPOISON,
  EINTR,
  EINVAL,
  EIO,
  ENODEV,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  EREMOTEIO,
  ESRCH,
  ETIMEDOUT,
  errnoName,
} from './abi/errno.js';
export {
  __GFP_COMP,
  __GFP_DIRECT_RECLAIM,
  __GFP_FS,
  __GFP_HARDWALL,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_IO,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIM,
  __GFP_RECLAIMABLE,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  __GFP_ZERO,
  GFP_ATOMIC,
  GFP_HIGHUSER,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
  GFP_TRANSHUGE,
  GFP_TRANSHUGE_LIGHT,
  GFP_USER,
} from './abi/gfp.js';
export {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_ADDR,
  MPOL_F_MEMS_ALLOWED,
  MPOL_F_NODE,
  MPOL_F_NUMA_BALANCING,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_MF_MOVE,
  MPOL_MF_MOVE_ALL,
  MPOL_MF_STRICT,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
} from './abi/mempolicy.js';
export {
  MIGRATE_ASYNC,
  MIGRATE_REASON_NAMES,
  MIGRATE_SYNC,
  MIGRATE_SYNC_LIGHT,
  MR_COMPACTION,
  MR_CONTIG_RANGE,
  MR_DEMOTION,
  MR_LONGTERM_PIN,
  MR_MEMORY_FAILURE,
  MR_MEMORY_HOTPLUG,
  MR_MEMPOLICY_MBIND,
  MR_NUMA_MISPLACED,
  MR_SYSCALL,
} from './abi/migrate.js';
export {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_GUARD_REMOVE,
  MADV_HUGEPAGE,
  MADV_HWPOISON,
  MADV_KEEPONFORK,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_SOFT_OFFLINE,
  MADV_UNMERGEABLE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  MAP_ANONYMOUS,
  MAP_DROPPABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_DROPPABLE,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_HUGEPAGE,
  VM_HUGETLB,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYBE_GUARD,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_RAND_READ,
  VM_READ,
  VM_SEALED,
  VM_SEQ_READ,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_SPECIAL,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
  VM_WIPEONFORK,
  VM_WRITE,
} from './abi/mman.js';
export {
  N_CPU,
  N_MEMORY,
  N_MEMORY_PRIVATE,
  N_ONLINE,
  N_POSSIBLE,
  NODE_STATE_NAMES,
  NR_NODE_STATES,
} from './abi/node-states.js';
export {
  PG_active,
  PG_anon,
  PG_anon_exclusive,
  PG_batched,
  PG_buddy,
  PG_dirty,
  PG_head,
  PG_hugetlb,
  PG_hwpoison,
  PG_isolated,
  PG_ksm,
  PG_locked,
  PG_lru,
  PG_mlocked,
  PG_pinned,
  PG_reclaim,
  PG_referenced,
  PG_reserved,
  PG_swapbacked,
  PG_swapcache,
  PG_tail,
  PG_unevictable,
  PG_workingset,
} from './abi/page-flags.js';
export {
  isMigrationType,
  PTE_ACCESSED,
  PTE_CHECKED,
  PTE_DIRTY,
  PTE_MKDIRTY,
  PTE_NODE_MASK,
  PTE_NODE_SHIFT,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_SWP_EXCLUSIVE,
  PTE_TRACKING,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_MASK,
  PTE_TYPE_MIGRATION_READ,
  PTE_TYPE_MIGRATION_READ_EXCLUSIVE,
  PTE_TYPE_MIGRATION_WRITE,
  PTE_TYPE_PLUGIN_FIRST,
  PTE_TYPE_PLUGIN_LAST,
  PTE_TYPE_SHIFT,
  PTE_TYPE_SWAP,
  PTE_UFFD_WP,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  PTE_WRITTEN,
  pteHoldsPage,
  pteMapsNormalPage,
  pteMapsPage,
  pteType,
} from './abi/pte.js';
export type { SignalCode, SignalInfo } from './abi/siginfo.js';
export {
  UFFD_EVENT_FORK,
  UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
} from './abi/userfaultfd.js';
export {
  LEVEL_PMD,
  LEVEL_PTE,
  VM_FAULT_ERROR,
  VM_FAULT_HWPOISON,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
} from './abi/vm-fault.js';
export { VMSTAT_NAMES, type VmstatName } from './abi/vmstat.js';
export {
  MAX_NR_ZONES,
  MAX_NUMNODES,
  MAX_PAGE_ORDER,
  PAGE_SHIFT,
  PAGE_SIZE,
  PAGEBLOCK_PAGES,
  PMD_ORDER,
  PTRS_PER_PTE,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
  WMARK_PROMO,
  ZONE_DMA,
  ZONE_DMA32,
  ZONE_MOVABLE,
  ZONE_NAMES,
  ZONE_NORMAL,
} from './abi/zone.js';
export { AssertionError, assert, defined } from './base/assert.js';
export { Clock, type EventHandler, type ScheduledEvent } from './base/clock.js';
export { ClockToken } from './base/clock-token.js';
export {
  type Constructor,
  createServices,
  createToken,
  inject,
  injectable,
  type Services,
  type Token,
} from './base/di.js';
export { IntrusiveLists } from './base/lists.js';
export { Prng } from './base/prng.js';
export { PrngToken } from './base/prng-token.js';
export {
  type LoadedTier,
  loadedLatency,
  meanSojournRatio,
  meanWaitRatio,
  type QueueModel,
  REFUSED,
  ServerQueue,
  type ServerQueueStats,
} from './base/server-queue.js';
export { Callbacks, CallbacksToken, type MoveTo } from './hooks/callbacks.js';
export type { HookName, HookOps, NodeReclaimPolicy } from './hooks/contracts.js';
export { ERRORS, type ErrorCode, type ErrorDetails, MmError } from './hooks/errors.js';
export {
  GRANT_COLLAPSE,
  GRANT_COMPACTION,
  GRANT_DEMOTION,
  GRANT_HOTUNPLUG,
  GRANT_KSM,
  GRANT_LONGTERM_PIN,
  GRANT_LRU,
  GRANT_MADVISE,
  GRANT_MEMPOLICY,
  GRANT_MIGRATION,
  GRANT_MLOCK,
  GRANT_NAMES,
  GRANT_NUMA_BALANCING,
  GRANT_OOM,
  GRANT_OOM_MEMS,
  GRANT_RECLAIM,
  GRANT_USER_MIGRATION,
  GRANT_WRITE,
  GRANTS_APART,
} from './hooks/grants.js';
export {
  type ApartLists,
  type Isolation,
  IsolationToken,
  NoIsolation,
  type ZonelistName,
} from './hooks/isolation.js';
export { Managed, ManagedToken, OwnerColumn } from './hooks/managed.js';
export {
  type CompressingDevice,
  type DeviceBinding,
  deviceToken,
  type MemoryDevice,
  type ThresholdKind,
} from './hooks/memory-device.js';
export { mustSucceed } from './hooks/must-succeed.js';
export { OptionCheck, type Range, SEEDS } from './hooks/option-check.js';
export { Owner, type OwnerKind } from './hooks/owner.js';
export { PageData } from './hooks/page-data.js';
export type { Plugin } from './hooks/plugin.js';
export { POLICY_RULES, type PolicyRules } from './hooks/policy-rules.js';
export type { SiteFact, SiteService } from './hooks/site-fact.js';
export { SITE_FACTS, type SiteName } from './hooks/site-facts.js';
export { type SiteCount, Sites, SitesToken } from './hooks/sites.js';
export { SPECIAL_RULES, type SpecialRules } from './hooks/special-rules.js';
export { ABSENT_OPS, HOOKS, type HookFact, type HookKind } from './hooks/table.js';
export {
  createTracepoints,
  TRACEPOINT_FIELDS,
  type TraceListener,
  Tracepoint,
  type TracepointName,
  Tracepoints,
} from './hooks/tracepoints.js';
export type { VmFault } from './hooks/vm-fault.js';
export { Warnings, WarningsToken } from './hooks/warnings.js';
export {
  type AccessCounts,
  AccessEngine,
  type AccessResult,
  type Done,
  type EngineParts,
} from './machine/access-engine.js';
export { createMachine } from './machine/builder.js';
export type { MachineConfig, NodeConfig } from './machine/config.js';
export { LatencyHistogram } from './machine/latency.js';
export { Machine } from './machine/machine.js';
export { Proc } from './machine/proc.js';
export {
  type AccessTrace,
  type ReplayEvent,
  type ReplayOptions,
  type ReplayResult,
  replay,
} from './machine/replay.js';
export { type Integrity, type IntegrityCounts, Shadow } from './machine/shadow.js';
export { Syscalls } from './machine/syscalls.js';
export { Task } from './machine/task.js';
export type { ZoneConfig } from './machine/zone-config.js';
export { AddressSpace, type FileKind, type PageImage } from './mem/address-space.js';
export { AnonVma } from './mem/anon-vma.js';
export { type BackingDev, NOOP_BACKING_DEV } from './mem/backing-dev.js';
export {
  addFreeRange,
  buddyinfo,
  freeOnePage,
  removeAllFree,
  rmqueue,
} from './mem/buddy.js';
export type { Cgroup } from './mem/cgroup.js';
export { Contents, ContentsToken } from './mem/contents.js';
export { FileRaState } from './mem/file-ra-state.js';
export {
  FOLIO_TABLE_BYTES_PER_PAGE,
  FolioTable,
  FolioTableToken,
  VERSION_LOST,
  VERSION_ZERO,
} from './mem/folio-table.js';
export {
  type ContigPageInfo,
  contigPageInfo,
  extfragForOrder,
  FRAGMENTATION_NONE,
  type FreeBlocks,
  fragmentationIndex,
  freeBlockCensus,
  unusableFreeIndex,
} from './mem/fragmentation.js';
export { autoInterleaveWeights, interleaveBandwidth } from './mem/interleave-weights.js';
export { LruLists, LruListsToken, lruOf } from './mem/lru.js';
export {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
  NR_LRU_LISTS,
} from './mem/lruvec.js';
export { MemCgroups, MemCgroupsToken } from './mem/memcg.js';
export { migrateFolioFlags } from './mem/migrate-flags.js';
export { type Nodemask, nodeList, nodemask, parseNodeList } from './mem/nodemask.js';
export { Nodes, NodesToken } from './mem/nodes.js';
export type { OpenFile } from './mem/open-file.js';
export type { PfnRange } from './mem/page-isolation.js';
export {
  type AccessCoordinate,
  type KswapdState,
  Pgdat,
} from './mem/pgdat.js';
export { type Policy, policyText } from './mem/policy.js';
export {
  LEAF_SHIFT,
  PMD_HUGE,
  PMD_NONE,
  PMD_TABLE,
  Ptes,
  PtesToken,
} from './mem/ptes.js';
export { Rmap, RmapToken } from './mem/rmap.js';
export {
  type Creds,
  plainCreds,
  RLIM_INFINITY,
  type Rlimits,
  rootCreds,
  TaskStruct,
} from './mem/task-struct.js';
export { type UffdMsg, UserfaultfdCtx, userfaultfdMissing } from './mem/userfaultfd.js';
export { lockedVm, totalVm } from './mem/vm-totals.js';
export {
  anonymousVma,
  clipVma,
  MmStruct,
  pageIndex,
  type Vma,
  vmaAllows,
} from './mem/vma.js';
export { Vmstat, VmstatToken } from './mem/vmstat.js';
export { calculateMinFreeKbytes } from './mem/watermarks.js';
export { ORDERS, Zone } from './mem/zone.js';
export { buildAllZonelists, nextBestNode } from './mem/zonelist.js';
export { gfpZone } from './mm/alloc-flags.js';
export { AllocMpol, AllocMpolToken, type VmaPage } from './mm/alloc-mpol.js';
export { type ContigEffort, ContigRange, ContigRangeToken } from './mm/contig-range.js';
export {
  type CopyEnd,
  type CopyRoute,
  type CostDescription,
  CostModel,
  type CostOptions,
  type SwapCodec,
  swapCodecOf,
  TableCostModel,
} from './mm/cost-model.js';
export {
  type BandwidthName,
  COST_NAMES,
  COST_PRESETS,
  COST_TABLE,
  type CostFact,
  type CostMark,
  type CostName,
  type CostPreset,
  type CostRow,
  type CostUnit,
  type CountName,
  type NsName,
} from './mm/cost-table.js';
export { Demotion, DemotionToken } from './mm/demotion.js';
export { DeviceExclusive, DeviceExclusiveToken } from './mm/device-exclusive.js';
export {
  DeviceMirror,
  type MirrorAccess,
  type MirrorParts,
  type MirrorResult,
  mirrorParts,
} from './mm/device-mirror.js';
export { DiskSwap, type DiskSwapOptions, diskSwap } from './mm/disk-swap.js';
export { Dma, DmaToken } from './mm/dma.js';
export { type EntryType, EntryTypes, EntryTypesToken } from './mm/entry-types.js';
export { FileFault, FileFaultToken } from './mm/file-fault.js';
export { Filemap, FilemapToken, type ReadOptions } from './mm/filemap.js';
export { Files, FilesToken } from './mm/files.js';
export { Folios, FoliosToken, type FrameHolder } from './mm/folio.js';
export { Fork, ForkToken } from './mm/fork.js';
export { Gup, GupToken } from './mm/gup.js';
export {
  type FaultHelper,
  HMM_PFN_ERROR,
  HMM_PFN_REQ_FAULT,
  HMM_PFN_REQ_WRITE,
  HMM_PFN_VALID,
  HMM_PFN_WRITE,
  HMM_ZERO_PFN,
  Hmm,
  type HmmRange,
  HmmToken,
  hmmRange,
} from './mm/hmm.js';
export { HugeMemory, HugeMemoryToken } from './mm/huge-memory.js';
export { InterleaveWeights, InterleaveWeightsToken } from './mm/interleave-weights.js';
export { Kswapd, KswapdToken } from './mm/kswapd.js';
export { Mapping, MappingToken } from './mm/mapping.js';
export { Memcontrol, MemcontrolToken } from './mm/memcontrol.js';
export { Memory, MemoryToken } from './mm/memory.js';
export {
  MEMORY_BLOCK_PAGES,
  type MemoryBlock,
  MemoryBlocks,
  MemoryBlocksToken,
  ONLINE_TYPES,
  type OnlineType,
} from './mm/memory-block.js';
export { MemoryFailure, MemoryFailureToken } from './mm/memory-failure.js';
export { MemoryGroups, MemoryGroupsToken, MHP_NID_IS_MGID } from './mm/memory-group.js';
export { MemoryHotplug, MemoryHotplugToken, type NodeListener } from './mm/memory-hotplug.js';
export {
  MEMTIER_ADISTANCE_DRAM,
  type MemoryTier,
  MemoryTiers,
  MemoryTiersToken,
} from './mm/memory-tiers.js';
export { LocalPolicy, Mempolicy, type PolicyChoice } from './mm/mempolicy.js';
export {
  Migrate,
  type MigrateRequest,
  type MigrateResult,
  MigrateToken,
  type NewFolio,
} from './mm/migrate.js';
export { MigrateRange, MigrateRangeToken } from './mm/migrate-range.js';
export { Mlock, MlockToken } from './mm/mlock.js';
export { MlockFolio, MlockFolioToken } from './mm/mlock-folio.js';
export { type FileBacking, Mmap, MmapToken } from './mm/mmap.js';
export { Mms, MmsToken } from './mm/mms.js';
export {
  MMU_NOTIFY_CLEAR,
  MMU_NOTIFY_EXCLUSIVE,
  MMU_NOTIFY_MIGRATE,
  MMU_NOTIFY_PROTECTION_PAGE,
  MMU_NOTIFY_PROTECTION_VMA,
  MMU_NOTIFY_RELEASE,
  MMU_NOTIFY_SOFT_DIRTY,
  MMU_NOTIFY_UNMAP,
  MmuIntervalNotifier,
  type MmuNotifierRange,
  MmuNotifiers,
  MmuNotifiersToken,
} from './mm/mmu-notifier.js';
export { MovePages, MovePagesToken, type MoveResult } from './mm/move-pages.js';
export { Mprotect, MprotectToken, vmFlags } from './mm/mprotect.js';
export { NumaPromotion, NumaPromotionToken } from './mm/numa-promotion.js';
export { OomKill, OomKillToken, type OomReaper } from './mm/oom-kill.js';
export { PageAlloc, PageAllocToken } from './mm/page-alloc.js';
export { type FilePlace, PageCache, PageCacheToken } from './mm/page-cache.js';
export { Pmds, PmdsToken } from './mm/pmd.js';
export { RmapWalk, RmapWalkToken } from './mm/rmap-walk.js';
export {
  DEF_PRIORITY,
  type Reclaimer,
  type ScanControl,
  SWAP_CLUSTER_MAX,
} from './mm/scan-control.js';
export { type FilePage, Shmem, ShmemToken } from './mm/shmem.js';
export {
  type ReferenceRule,
  ShrinkFolioList,
  ShrinkFolioListToken,
} from './mm/shrink-folio-list.js';
export {
  SHRINK_STOP,
  type ShrinkControl,
  type Shrinker,
  Shrinkers,
  ShrinkersToken,
} from './mm/shrinker.js';
export { SoftOffline, SoftOfflineToken } from './mm/soft-offline.js';
export { Swap, SwapToken } from './mm/swap.js';
export { NoSwap, type ReadReason, SwapBackend } from './mm/swap-backend.js';
export { SwapFault, SwapFaultToken } from './mm/swap-fault.js';
export type { SwapFront } from './mm/swap-front.js';
export { SYSCTL_DEFAULTS, Sysctl } from './mm/sysctl.js';
export { Tasks, TasksToken } from './mm/tasks.js';
export { Truncate, TruncateToken, type UnmapRule } from './mm/truncate.js';
export { ReclaimPolicy, Vmscan } from './mm/vmscan.js';
export { Work, WorkToken } from './mm/work.js';
export { WriteFault, WriteFaultToken } from './mm/write-fault.js';
export { Zap, ZapToken } from './mm/zap.js';
export {
  type AllocMark,
  type AllocRequest,
  ZoneAlloc,
  ZoneAllocToken,
} from './mm/zone-alloc.js';
export { Zram, type ZramOptions, zramSwap } from './mm/zram.js';
export { Zsmalloc, ZsmallocToken, ZsPool } from './mm/zsmalloc.js';
export { Zswap, ZswapToken } from './mm/zswap.js';
export { ZSWAP_DEFAULTS, ZswapParams } from './mm/zswap-params.js';
export { CGROUP_FOLDER, cgroupFiles } from './sys/cgroup-files.js';
export { IoRing, SysIoUring, SysIoUringToken } from './sys/io-uring.js';
export { type MmapRequest, SysMmap, SysMmapToken } from './sys/mmap.js';
export { type MremapRequest, SysMremap, SysMremapToken } from './sys/mremap.js';
export { SysMunmap, SysMunmapToken } from './sys/munmap.js';
export { SysOpenFiles, SysOpenFilesToken } from './sys/open-files.js';
export { PR_SET_MEMORY_MERGE, PR_SET_THP_DISABLE, SysPrctl, SysPrctlToken } from './sys/prctl.js';
export { type PagemapEntry, ProcPagemap } from './sys/proc/pagemap.js';
export { ProcSmaps, type Smaps } from './sys/proc/smaps.js';
export { ProcStatus } from './sys/proc/status.js';
export { permissions, vmFlagsLine } from './sys/proc/vm-flag-names.js';
export {
  actionFile,
  booleanFile,
  choiceFile,
  type NumberFile,
  numberFile,
  type PseudoFile,
  textFile,
} from './sys/pseudo-file.js';
export { type PseudoFileSource, PseudoFiles, PseudoFilesToken } from './sys/pseudo-files.js';
export type { UserNodemask } from './sys/user-nodemask.js';
export {
  ADDRESS_SPACE,
  isPageAligned,
  pageAlign,
  pagesOf,
  TASK_SIZE,
  vpnOf,
} from './sys/user-range.js';
export { SysUserfaultfd, SysUserfaultfdToken } from './sys/userfaultfd.js';
