import { GFP_KERNEL } from '../abi/gfp.js';
import { PG_anon, PG_swapbacked } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memcontrol, MemcontrolToken } from './memcontrol.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';
import { type Workingset, WorkingsetToken } from './workingset.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';
import type { WritebackPages } from './zswap-shrink.js';
import type { ZswapEntry } from './zswap-tree.js';

/**
 * The page that an entry of zswap is decompressed into on its way to the device (mm/zswap.c:
 * zswap_writeback_entry, mm/swap_state.c:swap_cache_alloc_folio). It is of the swap cache like one
 * that was read ahead, charged to the group of the slot, and stays until reclaim meets it, so a
 * fault soon after still finds it. Simplified: it does not go to the tail of its list when it is
 * written (PG_reclaim).
 */
@injectable()
export class ZswapWriteback implements WritebackPages {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(MemcontrolToken) private readonly memcontrol: Memcontrol,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  bringIn({ slot, isAnon }: ZswapEntry, nid: number): number {
    this.work.enterMemalloc();
    const folio = this.allocCharged(slot, nid);
    this.work.leaveMemalloc();
    if (folio < 0) return -1;
    this.swap.fill(slot, folio);
    this.table.set(folio, (isAnon ? PG_anon : 0) | PG_swapbacked);
    this.workingset.refault(folio, this.swap.takeShadow(slot));
    this.swap.cacheFolio(slot, folio);
    this.folios.addLru(folio);
    this.folios.put(folio);
    return folio;
  }

  giveUp(folio: number): void {
    this.swap.deleteFromCache(folio);
  }

  private allocCharged(slot: number, nid: number): number {
    const folio = this.zoneAlloc.alloc({ gfp: GFP_KERNEL, order: 0, nid, nodemask: null });
    const memcg = this.swap.memcgOf(slot);
    if (folio < 0 || memcg === null || !memcg.online) return folio;
    if (this.memcontrol.chargeTo(folio, memcg, GFP_KERNEL) === 0) return folio;
    this.folios.put(folio);
    return -1;
  }
}
export const ZswapWritebackToken = createToken<ZswapWriteback>('ZswapWriteback');
