import {
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  type HugeMemory,
  HugeMemoryToken,
  inject,
  injectable,
  type RmapWalk,
  RmapWalkToken,
} from '@mm-lab/mm-core';
import { type Memremap, MemremapToken } from './memremap.js';

/** Splits large folios that a migration meets in base pages, or can't move whole. */
@injectable()
export class DeviceSplit {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
  ) {}

  /**
   * Splits a folio that is still mapped (migrate_vma_split_folio). The page of a fault keeps the
   * fault's lock and reference, wherever it ends up.
   * @returns did it?
   */
  split(folio: number, faultPage: number): boolean {
    const isFault = faultPage >= 0 && this.table.head(faultPage) === folio;
    if (this.memremap.pgmapOf(folio) === null) return this.splitSystem(folio);
    if (!isFault && !this.folios.trylock(folio)) return false;
    if (!isFault) this.folios.get(folio);
    const fresh = this.huge.splitHeld(folio);
    if (fresh === null) {
      if (!isFault) this.release(folio);
      return false;
    }
    for (const part of [folio, ...fresh]) if (part !== faultPage) this.release(part);
    return true;
  }

  /**
   * Splits a folio that migration entries stand for (migrate_vma_split_unmapped_folio); the pages
   * are locked, and each has the reference that the folio had. Its PMD entries are split first and
   * stay so, even if the folio does not split because a fault holds it too. Simplified: those of
   * other processes as well. The kernel leaves them, and stops when it puts base pages there.
   */
  splitUnmapped(folio: number): boolean {
    const pages = this.table.nrPages(folio);
    this.rmapWalk.splitPmds(folio);
    if (!this.huge.splitUnmapped(folio)) return false;
    for (let page = folio; page < folio + pages; page++) this.folios.trylock(page);
    return true;
  }

  private release(page: number): void {
    this.folios.unlock(page);
    this.folios.put(page);
  }

  private splitSystem(folio: number): boolean {
    this.folios.lruAddDrain();
    if (!this.folios.isolateLru(folio)) return false;
    const fresh = this.huge.splitFolio(folio);
    for (const part of [folio, ...(fresh ?? [])]) {
      // What only the isolation holds is mapped no longer, and no file has it.
      if (fresh !== null && this.table.refcount[part] === 1) this.folios.dropIsolated(part);
      else this.folios.putbackLru(part);
    }
    return fresh !== null;
  }
}
export const DeviceSplitToken = createToken<DeviceSplit>('DeviceSplit');
