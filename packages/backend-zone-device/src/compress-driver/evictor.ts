import {
  type AllocRequest,
  DEF_PRIORITY,
  PG_active,
  PG_locked,
  PG_lru,
  PG_referenced,
} from '@mm-lab/mm-core';
import { MIGRATE_PFN_MIGRATE, migratePfn, migratePfnToPage } from '../migrate-pfn.js';
import type { ColdPages } from './cold-pages.js';
import type { DevicePages } from './device-pages.js';
import type { DriverCounts } from './driver-counts.js';
import type { DriverParts } from './driver-parts.js';

/** How the RAM for evicted pages is asked for. */
export type AllocRam = (request: AllocRequest) => number;

/** Moves pages of the device back to RAM without a fault, by pfn. */
export class Evictor {
  /** Where the pages of the last batch are, until `pageOut`. */
  private arrived: number[] = [];

  constructor(
    private readonly parts: DriverParts,
    private readonly pages: DevicePages,
    private readonly cold: ColdPages,
    private readonly counts: DriverCounts,
  ) {}

  /**
   * Evicts up to `pagesMax` pages, the oldest first; they arrive on the inactive list, so that the
   * kernel's own reclaim may take them.
   * @returns pages moved
   */
  evict(pagesMax: number, request: AllocRequest, allocRam: AllocRam): number {
    const { table, migrateDevice, install, deviceCopy, folios } = this.parts;
    const chosen = this.pages.oldest(pagesMax, (pfn) => !table.has(pfn, PG_locked));
    if (chosen.length === 0) return 0;
    const entries = migrateDevice.pfns(chosen);
    for (let at = 0; at < chosen.length; at++) {
      const src = migratePfnToPage(entries.src[at]!);
      if (src < 0) continue;
      const ram = allocRam(request);
      if (ram < 0) break;
      folios.trylock(ram);
      deviceCopy.copy(ram, src);
      entries.dst[at] = migratePfn(ram);
    }
    install.pages(entries, null);
    let moved = 0;
    for (let at = 0; at < chosen.length; at++) {
      if ((entries.src[at]! & MIGRATE_PFN_MIGRATE) === 0) continue;
      const ram = migratePfnToPage(entries.dst[at]!);
      table.clear(ram, PG_active | PG_referenced);
      this.cold.shun(ram);
      this.arrived.push(ram);
      moved++;
    }
    this.counts.evicted += moved;
    install.finalizeAfterCost(entries, () => undefined);
    return moved;
  }

  /**
   * Swaps out what arrived with earlier batches and was not used since: RAM was only on the way
   * (mm/vmscan.c:reclaim_pages, as DAMON calls it; zswap's writeback is the same idea).
   */
  pageOut(): void {
    const { table, folios, shrinkFolioList, swap, work, managed } = this.parts;
    const arrived = this.arrived;
    this.arrived = [];
    if (!swap.hasSpace()) return;
    folios.lruAddDrain();
    const list = arrived.filter(
      (pfn) =>
        managed.ownerOf(pfn) === null &&
        table.has(pfn, PG_lru) &&
        this.cold.isShunned(pfn) &&
        folios.isolateLru(pfn),
    );
    work.enterMemalloc();
    const sc = {
      reclaimer: 'proactive' as const,
      nrToReclaim: list.length,
      priority: DEF_PRIORITY,
      maySwap: true,
      mayDemote: false,
      order: 0,
      nrScanned: 0,
      nrReclaimed: 0,
    };
    shrinkFolioList.run(list, sc, 'respect');
    work.leaveMemalloc();
  }
}
