import { PG_readahead, PG_swapbacked } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Swap, SwapToken } from './swap.js';
import type { ReadReason } from './swap-backend.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/**
 * Reads pages of swap into the swap cache, where a fault finds them
 * (mm/swap_state.c:swap_cache_read_folio). Simplified: what nobody waits for has come all the same
 * when the call returns.
 */
@injectable()
export class SwapRead {
  private readonly ahead = Vmstat.index('swap_ra');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * @param allocate a charged page for it, or a negative number
   * @returns the folio of the slot in the swap cache, which holds the only reference to it; -1 if
   *   nothing names the slot or there is no memory
   */
  read(slot: number, why: ReadReason, allocate: () => number): number {
    const cached = this.swap.folioOf(slot);
    if (cached >= 0 || this.swap.entryCount(slot) === 0) return cached;
    const pfn = allocate();
    if (pfn < 0) return -1;
    // The allocation may have reclaimed, and zswap written the page back through the swap cache.
    const other = this.swap.folioOf(slot);
    if (other >= 0 || this.swap.entryCount(slot) === 0) {
      this.folios.put(pfn);
      return other;
    }
    this.swap.read(slot, pfn, why);
    this.table.set(pfn, PG_swapbacked);
    this.workingset.refault(pfn, this.swap.takeShadow(slot));
    this.swap.cacheFolio(slot, pfn);
    this.folios.addLru(pfn);
    this.folios.put(pfn);
    if (why !== 'ahead') return pfn;
    this.table.set(pfn, PG_readahead);
    this.vmstat.add(this.ahead, 1);
    return pfn;
  }
}
export const SwapReadToken = createToken<SwapRead>('SwapRead');
