/** Who reclaims: names the counters (mm/vmscan.c:reclaimer_offset). */
export type Reclaimer = 'kswapd' | 'direct' | 'proactive';

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
}

/** Scan batch and first priority (include/linux/swap.h, mmzone.h). */
export const SWAP_CLUSTER_MAX = 32;
export const DEF_PRIORITY = 12;
