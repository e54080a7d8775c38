import { VM_MAYBE_GUARD, VM_SHARED, VM_WRITE } from '../abi/mman.js';
import { PG_dirty, PG_isolated, PG_locked, PG_lru, PG_swapbacked } from '../abi/page-flags.js';
import { pteMapsPage } from '../abi/pte.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type Warnings, WarningsToken } from '../hooks/warnings.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { LEAF_SHIFT, PMD_HUGE, type Ptes, PtesToken } from '../mem/ptes.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type CollapseAlloc, CollapseAllocToken } from './collapse-alloc.js';
import type { Collapser, ScanResult } from './collapse-scan.js';
import { CostModel } from './cost-model.js';
import { type FilePmd, FilePmdToken } from './file-pmd.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mms, MmsToken } from './mms.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type Pmds, PmdsToken } from './pmd.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type Shmem, ShmemToken } from './shmem.js';
import { type ThpSettings, ThpSettingsToken } from './thp-settings.js';
import { type Work, WorkToken } from './work.js';
import { type Zap, ZapToken } from './zap.js';

/** What the cache has of a block. */
interface Found {
  present: number;
  swapped: number;
  readonly folios: Set<number>;
  readonly nodeLoad: Map<number, number>;
}

/**
 * Makes one huge page of the pages that shared memory has for a PMD (mm/khugepaged.c:
 * collapse_scan_file, collapse_file). All mappings go; who touches the memory next finds the huge
 * page, and MADV_COLLAPSE maps it at once.
 */
@injectable()
export class CollapseFile {
  private readonly mappedSite = Sites.index('khugepaged.collapse_pte_mapped_thp');
  private readonly exceedNone = Vmstat.index('thp_scan_exceed_none_pte');
  private readonly exceedSwap = Vmstat.index('thp_scan_exceed_swap_pte');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(ShmemToken) private readonly shmem: Shmem,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(ZapToken) private readonly zap: Zap,
    @inject(PmdsToken) private readonly pmds: Pmds,
    @inject(FilePmdToken) private readonly filePmd: FilePmd,
    @inject(CollapseAllocToken) private readonly allocator: CollapseAlloc,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(WarningsToken) private readonly warnings: Warnings,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** One PMD of an area that maps the file (collapse_single_pmd). */
  pmd(
    mm: MmStruct,
    area: { readonly vma: Vma; readonly file: AddressSpace },
    first: number,
    by: Collapser,
  ): ScanResult {
    const { vma, file } = area;
    const start = pageIndex(vma, first);
    const found: Found = { present: 0, swapped: 0, folios: new Set(), nodeLoad: new Map() };
    const result = this.scan(file, start, by, found) ?? this.collapse(mm, file, start, by, found);
    if (result !== 'pte mapped hugepage') return result;
    return this.mapHuge(mm, vma, first, start, by);
  }

  /** @returns why not, or null to go on */
  private scan(file: AddressSpace, start: number, by: Collapser, found: Found): ScanResult | null {
    const { max_ptes_none, max_ptes_swap } = this.thp.khugepaged;
    for (let index = start; index < start + PTRS_PER_PTE; index++) {
      if (file.swapped.has(index)) {
        found.swapped++;
        if (by === 'madvise' || found.swapped <= max_ptes_swap) continue;
        this.vmstat.add(this.exceedSwap, 1);
        return 'exceed swap pte';
      }
      const pfn = file.pages.get(index);
      if (pfn === undefined) continue;
      const refused = this.page(this.table.head(pfn), found);
      if (refused !== null) return refused;
      found.present++;
    }
    if (by === 'madvise' || found.present >= PTRS_PER_PTE - max_ptes_none) return null;
    this.vmstat.add(this.exceedNone, 1);
    return 'exceed none pte';
  }

  private page(folio: number, found: Found): ScanResult | null {
    if (found.folios.has(folio)) return null;
    found.folios.add(folio);
    if (this.table.order[folio] === PMD_ORDER) return 'pte mapped hugepage';
    const nid = this.nodes.nidOf(folio);
    found.nodeLoad.set(nid, (found.nodeLoad.get(nid) ?? 0) + 1);
    if (!this.table.has(folio, PG_lru) || this.table.has(folio, PG_isolated)) return 'page lru';
    if (this.table.has(folio, PG_locked)) return 'page lock';
    const expected = this.table.folioMapcount(folio) + this.cache.references(folio);
    return this.table.refcount[folio] === expected ? null : 'page count';
  }

  /** collapse_file. */
  private collapse(
    mm: MmStruct,
    file: AddressSpace,
    start: number,
    by: Collapser,
    found: Found,
  ): ScanResult {
    const huge = this.allocator.alloc(mm, found.nodeLoad, by);
    if (typeof huge !== 'number') return huge;
    if (found.present + found.swapped === 0) {
      this.folios.put(huge);
      return 'truncated';
    }
    const isReady = this.swapIn(file, start) && this.unmap(file, start);
    if (!isReady) {
      this.folios.put(huge);
      return 'fail';
    }
    for (let at = 0; at < PTRS_PER_PTE; at++) this.take(file, start + at, huge + at);
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      const old = file.pages.get(start + at);
      if (old !== undefined) this.cache.remove(this.table.head(old));
    }
    this.table.set(huge, PG_swapbacked | PG_dirty);
    this.cache.add(file, start, huge);
    this.folios.addLru(huge);
    this.folios.put(huge);
    this.retract(file, start);
    return by === 'madvise' ? 'pte mapped hugepage' : 'succeed';
  }

  private swapIn(file: AddressSpace, start: number): boolean {
    for (let index = start; index < start + PTRS_PER_PTE; index++) {
      if (!file.swapped.has(index)) continue;
      if (this.shmem.getFolio(file, index, this.work.cpuNid).pfn < 0) return false;
    }
    this.folios.lruAddDrain();
    return true;
  }

  /** Nobody but the cache may hold the pages afterwards. */
  private unmap(file: AddressSpace, start: number): boolean {
    for (let index = start; index < start + PTRS_PER_PTE; index++) {
      const pfn = file.pages.get(index);
      if (pfn === undefined) continue;
      const folio = this.table.head(pfn);
      if (!this.rmapWalk.tryToUnmap(folio)) return false;
      if (this.table.refcount[folio] !== this.cache.references(folio)) return false;
    }
    return true;
  }

  private take(file: AddressSpace, index: number, to: number): void {
    const from = file.pages.get(index);
    if (from === undefined) return;
    this.contents.copy(to, from);
    const source = this.nodes.pgdat(this.nodes.nidOf(from));
    const target = this.nodes.pgdat(this.nodes.nidOf(to));
    this.work.charge(this.cost.copyPageNs({ source, target }));
  }

  /** Page tables that are empty now go, so that the next fault may be a huge one. */
  private retract(file: AddressSpace, start: number): void {
    for (const mm of this.mms.all()) {
      for (const vma of mm.vmas) {
        if (vma.file !== file || vma.anonVma !== null || vma.uffd !== null) continue;
        if ((vma.flags & VM_MAYBE_GUARD) !== 0) continue;
        const first = vma.start + (start - vma.pgoff);
        if (first < vma.start || first + PTRS_PER_PTE > vma.end) continue;
        if (first % PTRS_PER_PTE === 0) this.pmds.reclaimTables(mm.id, first, first + PTRS_PER_PTE);
      }
    }
  }

  /**
   * The cache has a huge page: entries of base pages of it go, and MADV_COLLAPSE maps it by one
   * entry (try_collapse_pte_mapped_thp). Nobody expects a page of memory set apart there: it counts
   * as none, with a warning (RFC v4 patch 09).
   */
  private mapHuge(mm: MmStruct, vma: Vma, first: number, start: number, by: Collapser): ScanResult {
    const slot = this.ptes.slot(mm.id, first);
    const leaf = slot >> LEAF_SHIFT;
    if (this.ptes.pmd[leaf] === PMD_HUGE) return 'succeed';
    if (vma.uffd !== null) return 'pte uffd wp';
    const folio = vma.file?.pages.get(start) ?? -1;
    if (folio < 0 || this.table.order[folio] !== PMD_ORDER) return 'page compound';
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      const bits = this.ptes.bits[slot + at]!;
      if (bits === 0) continue;
      if (!pteMapsPage(bits)) return 'pte non present';
      const pfn = this.ptes.value[slot + at]!;
      if (this.managed.folio_is_private_managed(this.mappedSite, pfn)) {
        this.warnings.warnOnce('collapse_pte_mapped_thp');
        return 'fail';
      }
      if (pfn !== folio + at) return 'fail';
    }
    this.zap.range(mm, first, first + PTRS_PER_PTE);
    this.pmds.reclaimTables(mm.id, first, first + PTRS_PER_PTE);
    if (by === 'khugepaged') return 'succeed';
    const write = (vma.flags & WRITABLE) === WRITABLE;
    return this.filePmd.set(mm, vma, first, folio, write) ? 'succeed' : 'fail';
  }
}
export const CollapseFileToken = createToken<CollapseFile>('CollapseFile');

const WRITABLE = VM_SHARED | VM_WRITE;
