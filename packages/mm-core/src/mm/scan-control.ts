import type { MemCgroup } from '../mem/memcg.js';

/** Who reclaims: names the counters (mm/vmscan.c:reclaimer_offset). */
export type Reclaimer = 'kswapd' | 'direct' | 'khugepaged' | 'proactive';

/** struct scan_control: what one reclaim run may do, and what it has done. Sizes in pages. */
export interface ScanControl {
  readonly reclaimer: Reclaimer;
  /** Target of the run. */
  nrToReclaim: number;
  /** 12 … 0: lists are scanned by size >> priority. */
  priority: number;
  maySwap: boolean;
  readonly mayDemote: boolean;
  readonly order: number;
  nrScanned: number;
  nrReclaimed: number;
  /** The group whose limit it is about, with those below it; absent = all memory. */
  readonly targetMemcg?: MemCgroup | null;
  /** Instead of vm.swappiness; SWAPPINESS_ANON_ONLY takes no file pages. */
  readonly swappiness?: number | null;
  /** Mapped pages may go; absent = yes. */
  readonly mayUnmap?: boolean;
  /** What the passes find out and the next ones heed. */
  hints?: ScanHints;
}

/** Memory of a run between its passes. */
export interface ScanHints {
  /** Each walk goes through the whole hierarchy. */
  memcgFullWalk: boolean;
  /** memory.low protects no more. */
  memcgLowReclaim: boolean;
  memcgLowSkipped: boolean;
  /** Active lists are deactivated whatever they hold. */
  forceDeactivate: boolean;
  skippedDeactivate: boolean;
}

/** Scan batch and first priority (include/linux/swap.h, mmzone.h). */
export const SWAP_CLUSTER_MAX = 32;
export const DEF_PRIORITY = 12;
/** Largest swappiness, and the one that spares file pages (include/linux/swap.h). */
export const MAX_SWAPPINESS = 200;
export const SWAPPINESS_ANON_ONLY = MAX_SWAPPINESS + 1;
/** Rounds without a page before reclaim is given up (mm/internal.h). */
export const MAX_RECLAIM_RETRIES = 16;

/** Hints of a run that starts. */
export function noHints(): ScanHints {
  return {
    memcgFullWalk: false,
    memcgLowReclaim: false,
    memcgLowSkipped: false,
    forceDeactivate: false,
    skippedDeactivate: false,
  };
}

/** The hints of a run; a run without any gets them. */
export function hintsOf(sc: ScanControl): ScanHints {
  sc.hints ??= noHints();
  return sc.hints;
}
