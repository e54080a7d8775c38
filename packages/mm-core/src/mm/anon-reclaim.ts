import { createToken, inject, injectable } from '../base/di.js';
import type { Lruvec } from '../mem/lruvec.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Demotion, DemotionToken } from './demotion.js';
import type { ScanControl } from './scan-control.js';
import { type Swap, SwapToken } from './swap.js';
import { Sysctl } from './sysctl.js';

/** Less free swap than this is none for the multi-generational LRU (MIN_LRU_BATCH). */
const SWAP_PAGES_MIN = 64;

/** Whether and how much reclaim wants anonymous pages (mm/vmscan.c). */
@injectable()
export class AnonReclaim {
  constructor(
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(DemotionToken) private readonly demotion: Demotion,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /** Free slots that the group may use (mem_cgroup_get_nr_swap_pages). */
  swapPages(memcg: MemCgroup | null): number {
    return this.swap.pagesFor(memcg);
  }

  /** Can anonymous pages of the node leave it (can_reclaim_anon_pages)? */
  canReclaim(nid: number, memcg: MemCgroup | null, sc: ScanControl | null): boolean {
    if (this.swapPages(memcg) > 0) return true;
    return this.canDemote(nid, memcg, sc);
  }

  /** May they move down (can_demote with the run's say)? */
  canDemote(nid: number, memcg: MemCgroup | null, sc: ScanControl | null): boolean {
    return sc?.mayDemote !== false && this.demotion.canDemote(nid, memcg);
  }

  /** The run's swappiness, or the machine's (sc_swappiness). */
  wanted(sc: ScanControl): number {
    return sc.swappiness ?? this.sysctl.swappiness;
  }

  /** Swappiness of a lruvec with generations: 0 where nothing anonymous can go (get_swappiness). */
  ofLruvec(lruvec: Lruvec, sc: ScanControl): number {
    if (!sc.maySwap) return 0;
    const memcg = this.memcgs.get(lruvec.memcg);
    const demotes = this.canDemote(lruvec.nid, memcg, sc);
    if (!demotes && this.swapPages(memcg) < SWAP_PAGES_MIN) return 0;
    return this.wanted(sc);
  }
}
export const AnonReclaimToken = createToken<AnonReclaim>('AnonReclaim');
