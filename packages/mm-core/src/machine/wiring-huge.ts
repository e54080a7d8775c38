import type { Services } from '../base/di.js';
import { AnonFault, AnonFaultToken } from '../mm/anon-fault.js';
import { Collapse, CollapseToken } from '../mm/collapse.js';
import { CollapseAlloc, CollapseAllocToken } from '../mm/collapse-alloc.js';
import { CollapseFile, CollapseFileToken } from '../mm/collapse-file.js';
import { CollapseScan, CollapseScanToken } from '../mm/collapse-scan.js';
import { DeferredSplit, DeferredSplitToken } from '../mm/deferred-split.js';
import { DeferredSplitScan, DeferredSplitScanToken } from '../mm/deferred-split-scan.js';
import { FilePmd, FilePmdToken } from '../mm/file-pmd.js';
import { HugeFault, HugeFaultToken } from '../mm/huge-fault.js';
import { HugeMemory, HugeMemoryToken } from '../mm/huge-memory.js';
import { HugeZero, HugeZeroToken } from '../mm/huge-zero.js';
import { Hugetlb, HugetlbToken } from '../mm/hugetlb.js';
import { HugetlbCache, HugetlbCacheToken } from '../mm/hugetlb-cache.js';
import { HugetlbFailure, HugetlbFailureToken } from '../mm/hugetlb-failure.js';
import { HugetlbFault, HugetlbFaultToken } from '../mm/hugetlb-fault.js';
import { HugetlbReserve, HugetlbReserveToken } from '../mm/hugetlb-reserve.js';
import { Khugepaged, KhugepagedToken } from '../mm/khugepaged.js';
import { MovePageTables, MovePageTablesToken } from '../mm/move-page-tables.js';
import { Pmds, PmdsToken } from '../mm/pmd.js';
import { ShrinkersToken } from '../mm/shrinker.js';
import { SwapLarge, SwapLargeToken } from '../mm/swap-large.js';
import { ThpSettings, ThpSettingsToken } from '../mm/thp-settings.js';
import { UnusedToZero, UnusedToZeroToken } from '../mm/unused-to-zero.js';

/** Binds what makes, maps and splits large folios. */
export function bindHugePages(services: Services): void {
  services.bind(PmdsToken, Pmds);
  services.bind(DeferredSplitToken, DeferredSplit);
  services.bind(DeferredSplitScanToken, DeferredSplitScan);
  services.bind(MovePageTablesToken, MovePageTables);
  services.bind(UnusedToZeroToken, UnusedToZero);
  services.bind(HugeMemoryToken, HugeMemory);
  services.bind(ThpSettingsToken, ThpSettings);
  services.bind(HugeZeroToken, HugeZero);
  services.bind(AnonFaultToken, AnonFault);
  services.bind(HugeFaultToken, HugeFault);
  services.bind(FilePmdToken, FilePmd);
  services.bind(SwapLargeToken, SwapLarge);
  services.bind(CollapseScanToken, CollapseScan);
  services.bind(CollapseAllocToken, CollapseAlloc);
  services.bind(CollapseFileToken, CollapseFile);
  services.bind(CollapseToken, Collapse);
  services.bind(KhugepagedToken, Khugepaged);
  services.bind(HugetlbToken, Hugetlb);
  services.bind(HugetlbReserveToken, HugetlbReserve);
  services.bind(HugetlbCacheToken, HugetlbCache);
  services.bind(HugetlbFaultToken, HugetlbFault);
  services.bind(HugetlbFailureToken, HugetlbFailure);
}

/** Lets reclaim ask for what large folios waste. */
export function registerHugeShrinkers(services: Services): void {
  const shrinkers = services.get(ShrinkersToken);
  shrinkers.register(services.get(DeferredSplitScanToken));
  shrinkers.register(services.get(HugeZeroToken));
}
