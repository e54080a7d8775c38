import { createToken, injectable } from '../base/di.js';
import { DEF_PRIORITY, type ScanControl } from './scan-control.js';

/** `scanObjects`: no progress is possible now (SHRINK_STOP). */
export const SHRINK_STOP = -1;
/** Objects per call unless the shrinker says otherwise (SHRINK_BATCH). */
const SHRINK_BATCH = 128;
/** Cost of making an object anew, in seeks (DEFAULT_SEEKS). */
const DEFAULT_SEEKS = 2;

/** What one call of a shrinker is about (struct shrink_control). */
export interface ShrinkControl {
  /** Node whose memory is short. */
  readonly nid: number;
  /** Objects to look at. */
  readonly nrToScan: number;
  /** Who reclaims: a direct reclaimer is a task that waits. */
  readonly reclaimer: ScanControl['reclaimer'];
  /** Group whose objects are meant, by id; null = everybody's. */
  readonly memcg: number | null;
}

/**
 * A cache, or a driver, that can give memory back when reclaim asks (struct shrinker).
 *
 * Called with the reclaimer's context: it may charge work, and must not wait or start direct
 * reclaim.
 */
export interface Shrinker {
  readonly name: string;
  /** Its objects belong to groups, so the reclaim of a group asks it too (SHRINKER_MEMCG_AWARE). */
  readonly isMemcgAware?: boolean;
  /** Objects that could go from the node now; 0 = none. */
  countObjects(control: ShrinkControl): number;
  /** Looks at up to `nrToScan` objects. @returns pages given back, or SHRINK_STOP */
  scanObjects(control: ShrinkControl): number;
}

/**
 * Registered shrinkers (mm/shrinker.c). Simplified: scan work put off is not kept by group; pages
 * that a shrinker gives back count as reclaimed by the run, as if each called
 * mm_account_reclaimed_pages.
 */
@injectable()
export class Shrinkers {
  private readonly shrinkers = new Set<Shrinker>();
  /** Scan work put off to a later run (nr_deferred), by shrinker and node. */
  private readonly deferred = new Map<Shrinker, Map<number, number>>();

  /** shrinker_register. */
  register(shrinker: Shrinker): void {
    this.shrinkers.add(shrinker);
    this.deferred.set(shrinker, new Map());
  }

  /** shrinker_free. */
  unregister(shrinker: Shrinker): void {
    this.shrinkers.delete(shrinker);
    this.deferred.delete(shrinker);
  }

  /**
   * Asks every shrinker at the priority of the run (shrink_slab); adds what they give back to
   * `sc.nrReclaimed`. Yields after each batch, as the LRU pass does.
   */
  *shrinkSlab(nid: number, sc: ScanControl): Generator<void, void> {
    for (const shrinker of [...this.shrinkers]) yield* this.shrinkOne(shrinker, nid, sc, null);
  }

  /** The same for the objects of one group (shrink_slab_memcg). */
  *shrinkSlabMemcg(nid: number, sc: ScanControl, memcg: number): Generator<void, void> {
    for (const shrinker of [...this.shrinkers]) {
      if (shrinker.isMemcgAware === true) yield* this.shrinkOne(shrinker, nid, sc, memcg);
    }
  }

  /** A share of the objects by priority, what was put off included (do_shrink_slab). */
  private *shrinkOne(
    shrinker: Shrinker,
    nid: number,
    sc: ScanControl,
    memcg: number | null,
  ): Generator<void, void> {
    const control = { nid, nrToScan: 0, reclaimer: sc.reclaimer, memcg };
    const freeable = shrinker.countObjects(control);
    if (freeable <= 0) return;
    const deferred = this.deferred.get(shrinker)?.get(nid) ?? 0;
    const priority = Math.min(DEF_PRIORITY, sc.priority);
    const delta = Math.floor((Math.floor(freeable / 2 ** priority) * 4) / DEFAULT_SEEKS);
    let total = Math.min(Math.floor(deferred / 2 ** priority) + delta, 2 * freeable);
    let scanned = 0;
    while (total >= SHRINK_BATCH || (total > 0 && total >= freeable)) {
      const nrToScan = Math.min(SHRINK_BATCH, total);
      const pages = shrinker.scanObjects({ ...control, nrToScan });
      if (pages === SHRINK_STOP) break;
      sc.nrReclaimed += pages;
      scanned += nrToScan;
      total -= nrToScan;
      yield;
    }
    const left = Math.max(0, deferred + delta - scanned);
    this.deferred.get(shrinker)?.set(nid, Math.min(left, 2 * freeable));
  }
}
export const ShrinkersToken = createToken<Shrinkers>('Shrinkers');
