import { VERSION_LOST, VERSION_ZERO } from '../mem/folio-table.js';

/** What a read found against what it must find. */
export type Integrity = 'good' | 'lost' | 'stale' | 'leaked';

/** Counts of reads that found the wrong contents. */
export interface IntegrityCounts {
  /** Reads covered by a comparison. */
  readsChecked: number;
  /** Comparisons made; fewer, as an entry that nobody touched since the last one needs none. */
  compares: number;
  /**
   * Pages whose contents were gone when somebody read them: poison, or zeroes where data was
   * stored. A page that is lost and never read is not among them.
   */
  lostPages: number;
  /** Reads that found an earlier store of the same page. */
  staleReads: number;
  /** Reads that found what another page or program stored. */
  leakedPages: number;
}

/**
 * The judge of every read. It knows who made each version of contents, so that a wrong one can be
 * told apart: older data of the same page is stale, another page's is a leak.
 */
export class Shadow {
  readonly counts: IntegrityCounts = {
    readsChecked: 0,
    compares: 0,
    lostPages: 0,
    staleReads: 0,
    leakedPages: 0,
  };
  private writerSlot = new Int32Array(1 << 16);

  /** A store through `slot` made `version`. */
  noteStore(version: number, slot: number): void {
    if (version >= this.writerSlot.length) {
      const bigger = new Int32Array(this.writerSlot.length * 2);
      bigger.set(this.writerSlot);
      this.writerSlot = bigger;
    }
    this.writerSlot[version] = slot;
  }

  /** Compares and counts. @param expected the slot's shadow @param found the frame's version */
  check(slot: number, expected: number, found: number): Integrity {
    this.counts.compares++;
    if (found === expected) return 'good';
    if (found === VERSION_LOST || found === VERSION_ZERO) {
      this.counts.lostPages++;
      return 'lost';
    }
    if (this.writerSlot[found] === slot) {
      this.counts.staleReads++;
      return 'stale';
    }
    this.counts.leakedPages++;
    return 'leaked';
  }
}
