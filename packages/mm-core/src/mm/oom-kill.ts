import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import type { MmStruct } from '../mem/vma.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Mms, MmsToken } from './mms.js';
import type { AllocRequest, ZoneAlloc } from './zone-alloc.js';
import { ZoneAllocToken } from './zone-alloc.js';

/** Frees a victim's memory at once (the oom reaper); set by whoever can unmap (machine wiring). */
export type OomReaper = (mm: MmStruct) => void;

/**
 * The OOM killer (mm/oom_kill.c). Simplified: points are rss + swap entries; no adjustments, no
 * cgroups; the victim's memory is reaped at once.
 */
@injectable()
export class OomKill {
  private readonly site = Sites.index('oom_kill.constrained_alloc');
  private readonly victims = new Set<number>();
  /** Unmaps the victim; without it a kill frees nothing. */
  reaper: OomReaper = () => undefined;

  constructor(
    @inject(MmsToken) private readonly mms: Mms,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
  ) {}

  /** Kills the largest task. @returns was somebody killed? */
  outOfMemory(request: AllocRequest): boolean {
    const totalPages = this.totalPages(request);
    const victim = this.selectBadProcess();
    if (victim === null) return false;
    this.victims.add(victim.id);
    this.vmstat.count('oom_kill');
    const tp = this.tracepoints.mm_oom_kill;
    if (tp.enabled) tp.emit(victim.id, victim.rss, totalPages);
    this.reaper(victim);
    return true;
  }

  /** Was the task of this address space killed? */
  isVictim(mmId: number): boolean {
    return this.victims.has(mmId);
  }

  /**
   * Pages that count for the request: those of the zonelist's eligible nodes (constrained_alloc).
   * They scale oom_score_adj, which this model has none of, so they are only reported.
   */
  private totalPages(request: AllocRequest): number {
    return this.zoneAlloc
      .zonelist(request)
      .filter((zone) => this.managed.node_oom_eligible(this.site, zone.nid))
      .reduce((sum, zone) => sum + zone.managedPages, 0);
  }

  /** Highest points; of equals the later one (oom_evaluate_task). */
  private selectBadProcess(): MmStruct | null {
    let chosen: MmStruct | null = null;
    for (const mm of this.mms.all()) {
      if (this.victims.has(mm.id) || mm.rss + mm.swapents === 0) continue;
      if (chosen === null || mm.rss + mm.swapents >= chosen.rss + chosen.swapents) chosen = mm;
    }
    return chosen;
  }
}
export const OomKillToken = createToken<OomKill>('OomKill');
