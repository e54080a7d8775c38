import { NUMA_BALANCING_MEMORY_TIERING } from '../abi/numa-balancing.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { NumaFaults } from '../mem/numa-state.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type MemoryTiers, MemoryTiersToken } from './memory-tiers.js';
import { Sysctl } from './sysctl.js';

const NS_PER_MS = 1_000_000;
const MS_PER_S = 1000;
const PAGES_PER_MB = 256;
/** Megabytes a second that a task may scan (kernel/sched/fair.c:MAX_SCAN_WINDOW). */
const MAX_SCAN_WINDOW = 2560;
/** Shares are counted in tenths; seven of them mean that all is well. */
const NUMA_PERIOD_SLOTS = 10;
const NUMA_PERIOD_THRESHOLD = 7;

/** What a hint fault came to. */
export interface NumaFaultResult {
  /** Node of the page now. */
  readonly nid: number;
  readonly pages: number;
  /** Was the page on the CPU's node when it was accessed? */
  readonly isLocal: boolean;
  /** Did nobody else use the page since the last fault? */
  readonly isPrivate: boolean;
  readonly hasFailed: boolean;
}

/**
 * How often an address space is scanned (kernel/sched/fair.c:task_numa_fault, task_numa_placement,
 * update_task_scan_period): more often while pages are used from afar, less often when they are
 * not. Simplified: tasks are single, so there are no groups; a task has no preferred node, and
 * stays on its CPU.
 */
@injectable()
export class NumaPeriod {
  constructor(
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** A hint fault of a task; faults on slow memory say nothing in the tiering mode. */
  fault(task: TaskStruct, result: NumaFaultResult): void {
    const tiering = (this.sysctl.numa_balancing & NUMA_BALANCING_MEMORY_TIERING) !== 0;
    if (tiering && !this.tiers.isTopTier(result.nid)) return;
    this.place(task);
    const { faults } = task.numa;
    const { pages } = result;
    if (result.hasFailed) faults.failed += pages;
    faults[result.isLocal ? 'local' : 'remote'] += pages;
    faults[result.isPrivate ? 'private' : 'shared'] += pages;
  }

  /** Shortest time between scans, by what a task has resident (task_scan_min). */
  min(task: TaskStruct): number {
    const { numa_balancing_scan_size_mb: sizeMb } = this.sysctl;
    const windows = sizeMb < MAX_SCAN_WINDOW ? Math.floor(MAX_SCAN_WINDOW / sizeMb) : 1;
    const period = this.sysctl.numa_balancing_scan_period_min_ms / this.stretches(task);
    return Math.max(Math.floor(MS_PER_S / windows), Math.floor(period));
  }

  /** task_scan_max. */
  private max(task: TaskStruct): number {
    const period = this.sysctl.numa_balancing_scan_period_max_ms / this.stretches(task);
    return Math.max(this.min(task), Math.floor(period));
  }

  /** Scans that a pass over the address space takes (task_nr_scan_windows). */
  private stretches(task: TaskStruct): number {
    const scan = this.sysctl.numa_balancing_scan_size_mb * PAGES_PER_MB;
    return Math.max(1, Math.ceil(task.mm.rss / scan));
  }

  /** Once for each completed pass (task_numa_placement). */
  private place(task: TaskStruct): void {
    const { numa } = task;
    if (numa.placedSeq === numa.scanSeq) return;
    numa.placedSeq = numa.scanSeq;
    this.adapt(task, numa.faults);
    numa.faults = { local: 0, remote: 0, failed: 0, private: 0, shared: 0 };
  }

  private adapt(task: TaskStruct, faults: NumaFaults): void {
    const { numa } = task;
    if (faults.local + faults.shared === 0 || faults.failed > 0) {
      numa.scanPeriodMs = Math.min(this.max(task), numa.scanPeriodMs * 2);
      numa.nextScanNs = this.clock.now + numa.scanPeriodMs * NS_PER_MS;
      return;
    }
    const slot = Math.ceil(numa.scanPeriodMs / NUMA_PERIOD_SLOTS);
    const period = numa.scanPeriodMs + slotsToAdd(faults) * slot;
    numa.scanPeriodMs = Math.min(this.max(task), Math.max(this.min(task), period));
  }
}
export const NumaPeriodToken = createToken<NumaPeriod>('NumaPeriod');

/** Slower if most accesses are the task's own, or near; else faster. */
function slotsToAdd({ local, remote, private: own, shared }: NumaFaults): number {
  const near = Math.floor((local * NUMA_PERIOD_SLOTS) / Math.max(1, local + remote));
  const alone = Math.floor((own * NUMA_PERIOD_SLOTS) / Math.max(1, own + shared));
  for (const ratio of [alone, near]) {
    if (ratio >= NUMA_PERIOD_THRESHOLD) return Math.max(1, ratio - NUMA_PERIOD_THRESHOLD);
  }
  return Math.max(near, alone) - NUMA_PERIOD_THRESHOLD;
}
