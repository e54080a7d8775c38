import { EAGAIN, EBUSY, EINVAL, ENOMEM } from '../abi/errno.js';
import { PTE_WRITTEN, pteMapsNormalPage, pteMapsPage } from '../abi/pte.js';
import { VM_FAULT_ERROR } from '../abi/vm-fault.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type AnonFault, AnonFaultToken } from './anon-fault.js';
import { type CollapseAlloc, CollapseAllocToken } from './collapse-alloc.js';
import { type CollapseFile, CollapseFileToken } from './collapse-file.js';
import {
  type Collapser,
  type CollapseScan,
  CollapseScanToken,
  type ScanResult,
} from './collapse-scan.js';
import { CostModel } from './cost-model.js';
import { type DeferredSplit, DeferredSplitToken } from './deferred-split.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Memory, MemoryToken } from './memory.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type ThpSettings, ThpSettingsToken } from './thp-settings.js';
import { type Work, WorkToken } from './work.js';
import { type Zap, ZapToken } from './zap.js';

/**
 * Makes one huge page of the pages of a PMD (mm/khugepaged.c:collapse_huge_page) and
 * madvise(MADV_COLLAPSE). Simplified: to PMD order only; of files only shared memory.
 */
@injectable()
export class Collapse {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(CollapseAllocToken) private readonly allocator: CollapseAlloc,
    @inject(CollapseFileToken) private readonly file: CollapseFile,
    @inject(AnonFaultToken) private readonly anonFault: AnonFault,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(ZapToken) private readonly zap: Zap,
    @inject(DeferredSplitToken) private readonly deferred: DeferredSplit,
    @inject(CollapseScanToken) private readonly scanner: CollapseScan,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * MADV_COLLAPSE of a part of an area (madvise_collapse).
   * @returns 0 if every PMD in it is huge now; else what the last one failed for
   */
  madvise(mm: MmStruct, part: Vma): number {
    const vma = mm.find(part.start);
    if (vma === null || !this.mayCollapse(mm, vma)) return -EINVAL;
    this.folios.lruAddDrainAll();
    const start = Math.ceil(part.start / PTRS_PER_PTE) * PTRS_PER_PTE;
    let lastFail: ScanResult | null = null;
    for (let first = start; first + PTRS_PER_PTE <= part.end; first += PTRS_PER_PTE) {
      const result = this.pmd(mm, vma, first, 'madvise');
      if (result === 'succeed' || result === 'pmd mapped') continue;
      lastFail = result;
      if (ENDS_WALK.has(result)) break;
    }
    return lastFail === null ? 0 : errnoOf(lastFail);
  }

  /** Scans one PMD and collapses it if it may be. */
  pmd(mm: MmStruct, vma: Vma, first: number, by: Collapser): ScanResult {
    this.work.charge(this.cost.ns.scanPage);
    if (vma.file !== null) return this.file.pmd(mm, { vma, file: vma.file }, first, by);
    const { result, nodeLoad, unmapped } = this.scanner.scan(mm, vma, first, by);
    if (result !== 'succeed') return result;
    const folio = this.allocator.alloc(mm, nodeLoad, by);
    if (typeof folio !== 'number') return folio;
    const ready = this.prepare(mm, vma, first, by, unmapped);
    if (ready !== 'succeed') {
      this.folios.put(folio);
      return ready;
    }
    this.copy(mm, vma, first, folio);
    return 'succeed';
  }

  private mayCollapse(mm: MmStruct, vma: Vma): boolean {
    return this.thp.allowableOrders(mm, vma, 'forced_collapse', 1 << PMD_ORDER) !== 0;
  }

  /** Brings in what is in swap, then looks once more (__collapse_huge_page_swapin, _isolate). */
  private prepare(
    mm: MmStruct,
    vma: Vma,
    first: number,
    by: Collapser,
    unmapped: number,
  ): ScanResult {
    if (unmapped > 0) {
      for (let vpn = first; vpn < first + PTRS_PER_PTE; vpn++) {
        if (!this.swapIn(mm, vpn)) return 'fail';
      }
      this.folios.lruAddDrain();
    }
    return this.scanner.scan(mm, vma, first, by, true).result;
  }

  private swapIn(mm: MmStruct, vpn: number): boolean {
    const slot = this.ptes.slot(mm.id, vpn);
    const bits = this.ptes.bits[slot]!;
    if (bits === 0 || pteMapsPage(bits)) return true;
    const result = this.memory.handleMmFault(mm, vpn, false, this.work.cpuNid);
    return (result & VM_FAULT_ERROR) === 0;
  }

  /** __collapse_huge_page_copy, then the PMD. */
  private copy(mm: MmStruct, vma: Vma, first: number, folio: number): void {
    const leaf = this.ptes.slot(mm.id, first) >> LEAF_SHIFT;
    this.notifiers.invalidateLeaf(leaf, MMU_NOTIFY_CLEAR);
    this.deferred.begin();
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      const slot = (leaf << LEAF_SHIFT) | at;
      const bits = this.ptes.bits[slot]!;
      if (pteMapsNormalPage(bits)) {
        const pfn = this.ptes.value[slot]!;
        if ((bits & PTE_WRITTEN) !== 0) this.contents.settle(pfn, first + at, slot);
        this.contents.copy(folio + at, pfn);
        this.chargeCopy(pfn, folio);
      }
      this.zap.entry(slot);
    }
    this.deferred.end();
    this.work.charge(this.cost.tlbFlushNs(mm.activeCpus));
    this.anonFault.map(mm, vma, folio, first);
    this.mapping.setPmd(leaf);
  }

  private chargeCopy(from: number, to: number): void {
    const source = this.nodes.pgdat(this.nodes.nidOf(from));
    const target = this.nodes.pgdat(this.nodes.nidOf(to));
    this.work.charge(this.cost.copyPageNs({ source, target }));
    if (source.device !== null) this.work.charge(source.device.readPageNs(from));
  }
}
export const CollapseToken = createToken<Collapse>('Collapse');

/** Failures after which MADV_COLLAPSE does not go on to the next PMD. */
const ENDS_WALK: ReadonlySet<ScanResult> = new Set([
  'alloc huge page fail',
  'cgroup charge fail',
  'exceed none pte',
  'fail',
  'truncated',
]);

/** madvise_collapse_errno. */
function errnoOf(result: ScanResult): number {
  switch (result) {
    case 'alloc huge page fail':
      return -ENOMEM;
    case 'cgroup charge fail':
    case 'exceed none pte':
      return -EBUSY;
    case 'page count':
    case 'page lock':
    case 'page lru':
      return -EAGAIN;
    default:
      return -EINVAL;
  }
}
