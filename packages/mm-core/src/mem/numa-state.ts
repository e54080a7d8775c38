/** Pages of hint faults since the period of scans was adapted last (numa_faults_locality). */
export interface NumaFaults {
  local: number;
  remote: number;
  /** Pages that should have moved and did not. */
  failed: number;
  private: number;
  shared: number;
}

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
  /** `scanSeq` when the period was adapted last (task_struct.numa_scan_seq). */
  placedSeq = 0;
  faults: NumaFaults = { local: 0, remote: 0, failed: 0, private: 0, shared: 0 };
  /** First page of the next scan (numa_scan_offset). */
  scanOffset = 0;

  constructor(
    /** Running time between two scans, in milliseconds (numa_scan_period). */
    public scanPeriodMs: number,
    /** Time before which nobody scans (numa_next_scan). */
    public nextScanNs: number,
  ) {}
}
