import { PG_isolated } from '../abi/page-flags.js';
import { createToken } from '../base/di.js';
import type { StrayFolios } from '../hooks/stray-folios.js';
import type { FolioTable } from './folio-table.js';

/** Folios whose migration entries stand for a time, and until when; both ends of each move. */
export class FoliosUnderWay implements StrayFolios {
  private readonly untilByFolio = new Map<number, number>();

  constructor(private readonly table: FolioTable) {}

  add(folios: readonly number[], until: number): void {
    for (const folio of folios) this.untilByFolio.set(folio, until);
  }

  remove(folios: readonly number[]): void {
    for (const folio of folios) this.untilByFolio.delete(folio);
  }

  /** Time at which the entries of a page's folio go, or -1 if it is not under way. */
  untilOf(pfn: number): number {
    return this.untilByFolio.get(this.table.head(pfn)) ?? -1;
  }

  /** Time at which the last of them go, or -1 if there are none. */
  untilLast(): number {
    return Math.max(-1, ...this.untilByFolio.values());
  }

  any(): boolean {
    return this.untilByFolio.size > 0;
  }

  isStray(folio: number): boolean {
    return this.table.has(folio, PG_isolated) && this.untilOf(folio) < 0;
  }
}
export const FoliosUnderWayToken = createToken<FoliosUnderWay>('FoliosUnderWay');
