import {
  PG_anon,
  PG_dirty,
  PG_isolated,
  PG_locked,
  PG_lru,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
} from '../abi/page-flags.js';
import {
  isMarker,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_MARKER_UFFD_WP,
  PTE_UFFD_WP,
  pteMapsNormalPage,
  pteMapsPage,
} from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_COLLAPSE } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { LEAF_SHIFT, PMD_HUGE, PMD_NONE, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type ThpSettings, ThpSettingsToken } from './thp-settings.js';

/** What became of one PMD (enum scan_result, those that anything depends on). */
export type ScanResult =
  | 'succeed'
  | 'pmd mapped'
  | 'no pte table'
  | 'fail'
  | 'exceed none pte'
  | 'exceed swap pte'
  | 'exceed shared pte'
  | 'pte non present'
  | 'pte uffd wp'
  | 'lack referenced page'
  | 'page null'
  | 'page compound'
  | 'pte mapped hugepage'
  | 'truncated'
  | 'page anon'
  | 'page lru'
  | 'page lock'
  | 'page count'
  | 'page lazyfree'
  | 'alloc huge page fail'
  | 'cgroup charge fail';

/** Who collapses: khugepaged has limits, MADV_COLLAPSE has none. */
export type Collapser = 'khugepaged' | 'madvise';

/** What a look at the entries of one PMD found. */
export interface Scan {
  readonly result: ScanResult;
  /** Pages by node. */
  readonly nodeLoad: ReadonlyMap<number, number>;
  /** Entries whose page has to be brought in first. */
  readonly unmapped: number;
}

/** May the pages of a PMD become one huge page (mm/khugepaged.c:collapse_scan_pmd)? */
@injectable()
export class CollapseScan {
  private readonly site = Sites.index('khugepaged.hpage_collapse_scan_pmd');
  private readonly isolateSite = Sites.index('khugepaged.__collapse_huge_page_isolate');
  private readonly exceedNone = Vmstat.index('thp_scan_exceed_none_pte');
  private readonly exceedSwap = Vmstat.index('thp_scan_exceed_swap_pte');
  private readonly exceedShared = Vmstat.index('thp_scan_exceed_share_pte');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * @param first page at which the PMD begins
   * @param isFinal the last look, with nobody else in between: what is not present refuses
   *   (__collapse_huge_page_isolate)
   */
  scan(mm: MmStruct, vma: Vma, first: number, by: Collapser, isFinal = false): Scan {
    const slot = this.ptes.find(mm.id, first);
    const pmd = slot < 0 ? PMD_NONE : this.ptes.pmd[slot >> LEAF_SHIFT]!;
    const seen: Seen = {
      none: 0,
      swap: 0,
      shared: 0,
      referenced: 0,
      nodeLoad: new Map(),
      taken: new Set(),
    };
    const done = (result: ScanResult): Scan => ({
      result,
      nodeLoad: seen.nodeLoad,
      unmapped: seen.swap,
    });
    if (pmd === PMD_NONE) return done('no pte table');
    if (pmd === PMD_HUGE) return done('pmd mapped');
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      const bits = this.ptes.bits[slot + at]!;
      const refused = pteMapsNormalPage(bits)
        ? this.page(this.ptes.value[slot + at]!, bits, by, seen, isFinal)
        : this.noPage(slot + at, bits, vma, by, isFinal, seen);
      if (refused !== null) return done(refused);
    }
    const few = seen.referenced < PTRS_PER_PTE / 2;
    const isIdle = seen.referenced === 0 || (seen.swap > 0 && few);
    return done(by === 'khugepaged' && isIdle ? 'lack referenced page' : 'succeed');
  }

  private noPage(
    slot: number,
    bits: number,
    vma: Vma,
    by: Collapser,
    isFinal: boolean,
    seen: Seen,
  ): ScanResult | null {
    const { max_ptes_none, max_ptes_swap } = this.thp.khugepaged;
    if (bits === 0 || pteMapsPage(bits)) {
      seen.none++;
      if (vma.uffd === null && (by === 'madvise' || seen.none <= max_ptes_none)) return null;
      this.vmstat.add(this.exceedNone, 1);
      return 'exceed none pte';
    }
    if (isFinal) return 'pte non present';
    seen.swap++;
    if (by === 'khugepaged' && seen.swap > max_ptes_swap) {
      this.vmstat.add(this.exceedSwap, 1);
      return 'exceed swap pte';
    }
    const isProtected = isMarker(bits, this.ptes.value[slot]!, PTE_MARKER_UFFD_WP);
    return (bits & PTE_UFFD_WP) !== 0 || isProtected ? 'pte uffd wp' : null;
  }

  private page(
    pfn: number,
    bits: number,
    by: Collapser,
    seen: Seen,
    isFinal: boolean,
  ): ScanResult | null {
    const folio = this.table.head(pfn);
    if (isFinal && this.table.order[folio] === 0) {
      if (seen.taken.has(folio)) return 'page lock';
      seen.taken.add(folio);
    }
    if ((bits & PTE_UFFD_WP) !== 0) return 'pte uffd wp';
    if (
      !this.managed.folio_managed_allows(
        isFinal ? this.isolateSite : this.site,
        folio,
        GRANT_COLLAPSE,
      )
    )
      return 'page null';
    if (by === 'khugepaged' && this.isLazyfree(folio, bits)) return 'page lazyfree';
    if (!this.table.has(folio, PG_anon)) return 'page anon';
    if (this.rmapWalk.maybeMappedShared(folio)) {
      seen.shared++;
      if (by === 'khugepaged' && seen.shared > this.thp.khugepaged.max_ptes_shared) {
        this.vmstat.add(this.exceedShared, 1);
        return 'exceed shared pte';
      }
    }
    const nid = this.nodes.nidOf(folio);
    seen.nodeLoad.set(nid, (seen.nodeLoad.get(nid) ?? 0) + 1);
    if (!this.table.has(folio, PG_lru) || this.table.has(folio, PG_isolated)) return 'page lru';
    if (this.table.has(folio, PG_locked)) return 'page lock';
    if (this.table.refcount[folio] !== this.expectedRefs(folio)) return 'page count';
    const used = (bits & PTE_ACCESSED) !== 0 || this.table.has(folio, PG_referenced);
    if (used) seen.referenced++;
    return null;
  }

  private isLazyfree(folio: number, bits: number): boolean {
    const isClean = (bits & PTE_DIRTY) === 0 && !this.table.has(folio, PG_dirty);
    return isClean && !this.table.has(folio, PG_swapbacked);
  }

  /** folio_expected_ref_count. */
  private expectedRefs(folio: number): number {
    const cached = this.table.has(folio, PG_swapcache) ? 1 : 0;
    return this.table.folioMapcount(folio) + cached;
  }
}
export const CollapseScanToken = createToken<CollapseScan>('CollapseScan');

interface Seen {
  none: number;
  swap: number;
  shared: number;
  referenced: number;
  readonly nodeLoad: Map<number, number>;
  /** Small folios met; a merged one that comes again is locked already. */
  readonly taken: Set<number>;
}
