/**
 * What NUMA balancing keeps of a task and its address space (struct task_struct, mm_struct:
 * numa_*). Times are simulated nanoseconds.
 */
export class NumaState {
  /** Time that the task has run, by ticks. */
  execNs = 0;
  /** `execNs` at which it was last asked to scan (node_stamp). */
  nodeStampNs = 0;
  /** Completed passes over the address space (numa_scan_seq). */
  scanSeq = 0;
  /** First page of the next scan (numa_scan_offset). */
  scanOffset = 0;

  constructor(
    /** Running time between two scans, in milliseconds (numa_scan_period). */
    public scanPeriodMs: number,
    /** Time before which nobody scans (numa_next_scan). */
    public nextScanNs: number,
  ) {}
}
