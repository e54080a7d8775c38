import {
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIM,
  __GFP_THISNODE,
  type Clock,
  ClockToken,
  CostModel,
  createToken,
  EINVAL,
  ENODEV,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  inject,
  injectable,
  MIGRATE_ASYNC,
  type Migrate,
  MigrateToken,
  MR_NUMA_MISPLACED,
  N_MEMORY,
  type Nodes,
  NodesToken,
  type NumaPromotion,
  NumaPromotionToken,
  OptionCheck,
  type PageAlloc,
  PageAllocToken,
  type Plugin,
} from '@mm-lab/mm-core';
import { type Cram, CramToken } from '../cram.js';
import { PressureLoopToken } from './pressure-loop.js';

/** Options of the ring that a device nominates hot pages in. */
export interface HotPagesOptions {
  /** Nominations that wait at most; what comes on top is dropped. Default 1024. */
  readonly entries?: number;
}
const HotPagesOptions = createToken<Required<HotPagesOptions>>('HotPagesOptions');

const ENTRIES = 1024;
const ENTRIES_MAX = 1 << 24;
/** Target of a promotion by itself: no reclaim, no reserves (alloc_misplaced_dst_folio). */
const GFP_PROMOTION =
  (GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM) |
  __GFP_NOMEMALLOC |
  __GFP_NORETRY |
  __GFP_NOWARN |
  __GFP_THISNODE;

/**
 * Pages that a device nominates as hot go back to ordinary memory (the author's later trees,
 * cram_report_hot_pages). A load never faults, so without this a page that is only read stays on
 * the device however hot it is. The limit is that of NUMA promotion, which is shared.
 *
 * A nomination: reported --room in the ring--> waiting --the worker, within the limit--> promoted;
 * no room, over the limit, not movable now, or the page has left--> dropped. The worker is woken by
 * a report. Simplified: it takes the whole ring at once; what the trees do with a nomination over
 * the limit is not known, here it is forgotten, and the device nominates the page again.
 */
@injectable()
export class HotPages {
  private readonly waiting = new Map<number, number[]>();
  private readonly counts = { reported: 0, overflow: 0, limited: 0, promoted: 0, left: 0 };

  constructor(
    @inject(HotPagesOptions) private readonly options: Required<HotPagesOptions>,
    @inject(CramToken) private readonly cram: Cram,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(NumaPromotionToken) private readonly promotion: NumaPromotion,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /**
   * A driver passes on what its device nominated.
   * @returns 0; -EINVAL no such node; -ENODEV not CRAM's
   */
  cram_report_hot_pages(nid: number, pfns: readonly number[]): number {
    if (!this.nodes.exists(nid)) return -EINVAL;
    if (!this.cram.has(nid)) return -ENODEV;
    const ring = this.waiting.get(nid) ?? [];
    const room = this.options.entries - ring.length;
    const isIdle = ring.length === 0;
    ring.push(...pfns.slice(0, room));
    this.counts.reported += pfns.length;
    this.counts.overflow += Math.max(0, pfns.length - room);
    this.waiting.set(nid, ring);
    if (isIdle && ring.length > 0) {
      this.clock.after(this.cost.ns.kswapdWake, () => this.promoteAll(nid));
    }
    return 0;
  }

  stats(): Readonly<Record<string, number>> {
    const { reported, overflow, limited, promoted, left } = this.counts;
    return {
      'cram.hot_pages.reported': reported,
      'cram.hot_pages.overflow': overflow,
      'cram.hot_pages.over_limit': limited,
      'cram.hot_pages.promoted': promoted,
      'cram.hot_pages.not_moved': left,
    };
  }

  /** One run of the worker: the whole ring, as one batch. */
  private promoteAll(nid: number): void {
    const pfns = this.waiting.get(nid)?.splice(0) ?? [];
    const target = this.targetOf(nid);
    if (target < 0 || !this.cram.has(nid)) return;
    const list: number[] = [];
    for (const pfn of pfns) {
      const folio = this.table.head(pfn);
      if ((this.table.refcount[folio] ?? 0) === 0) continue;
      if (this.promotion.isOverRate(target, this.table.nrPages(folio))) this.counts.limited++;
      else if (this.folios.isolateLru(folio)) list.push(folio);
    }
    const tried = list.length;
    this.migrate.migratePages(list, {
      mode: MIGRATE_ASYNC,
      reason: MR_NUMA_MISPLACED,
      newFolio: (src) => {
        const order = this.table.order[src] ?? 0;
        return this.pageAlloc.alloc({ gfp: GFP_PROMOTION, order, nid: target, nodemask: null });
      },
    });
    this.counts.promoted += tried - list.length;
    this.counts.left += list.length;
    for (const folio of list) this.folios.putbackLru(folio);
  }

  /** The nearest ordinary node, or -1. */
  private targetOf(nid: number): number {
    let best = -1;
    for (const { nid: candidate } of this.nodes.all()) {
      if (!this.nodes.hasState(candidate, N_MEMORY)) continue;
      const isNearer =
        best < 0 || this.nodes.distance(nid, candidate) < this.nodes.distance(nid, best);
      if (isNearer) best = candidate;
    }
    return best;
  }
}
export const HotPagesToken = createToken<HotPages>('HotPages');

/** Plugin: what devices nominate is promoted. Put it behind `cram()`. */
export function hotPages(options: HotPagesOptions = {}): Plugin {
  const { entries = ENTRIES } = options;
  const check = new OptionCheck('hot-pages');
  check.known(options, ['entries']);
  check.integer('entries', entries, [1, ENTRIES_MAX]);
  return {
    name: 'hot-pages',
    register(services) {
      services.bindValue(HotPagesOptions, { entries });
      services.bind(HotPagesToken, HotPages);
    },
    probe(services) {
      const hot = services.get(HotPagesToken);
      services.get(PressureLoopToken).join((nid, device) => {
        let isOn = true;
        device.onHot?.((pfns) => {
          if (isOn) hot.cram_report_hot_pages(nid, pfns);
        });
        return () => {
          isOn = false;
        };
      });
    },
    stats: (services) => services.get(HotPagesToken).stats(),
  };
}
