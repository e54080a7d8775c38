import { PROT_READ, PROT_WRITE, VM_MAYREAD, VM_MAYWRITE } from '../abi/mman.js';
import { MmError } from '../hooks/errors.js';
import { LEAF_SHIFT } from '../mem/ptes.js';
import { anonymousVma } from '../mem/vma.js';
import { vmFlags } from '../mm/mprotect.js';
import { runHits } from './hot-loop.js';
import type { Machine } from './machine.js';
import { StoreIndex } from './store-index.js';
import type { Task } from './task.js';

/** A trace of page accesses as columns by row (`PageTrace` of workloads has this shape). */
export interface AccessTrace {
  readonly rows: number;
  /** Leaf numbers (vpn >> 9) by dense index. */
  readonly regions: ArrayLike<number>;
  /** (slot << 1) | isWrite, slot = (region index << 9) | (vpn & 511). */
  readonly ref: Int32Array;
  /** Accesses of the row. */
  readonly n: Int32Array;
}

/** Something that happens to the address space before a row. */
export interface ReplayEvent {
  /** It happens before this row. */
  readonly row: number;
  apply(task: Task): void;
}

/** How a replay goes. */
export interface ReplayOptions {
  /** Ascending by row. */
  readonly events?: readonly ReplayEvent[];
  /** Called now and then, at most every `progressRows` rows. */
  readonly onProgress?: (row: number) => void;
  readonly progressRows?: number;
  /** Pages that no vma holds are mapped when they are touched (default), or end the task. */
  readonly unmapped?: 'map' | 'kill';
}

/** How it ended. */
export interface ReplayResult {
  /** Rows done. */
  readonly rows: number;
  /** Accesses of those rows, as the trace says: what hits and faulted accesses must add up to. */
  readonly accesses: number;
  readonly end: 'done' | 'killed' | 'SIGSEGV' | 'SIGBUS';
}

const PROGRESS_ROWS = 1 << 14;
/** Accesses of one run of the hot loop. */
const ACCESSES_MAX = 2 ** 31 - 1;
/** Rows per call while sums are made: V8 compiles a loop that is called often better. */
const SUM_ROWS = 1 << 14;

/** Runs a task through a trace. The task's address space must have no page tables yet. */
export function replay(
  machine: Machine,
  task: Task,
  trace: AccessTrace,
  options: ReplayOptions = {},
): ReplayResult {
  return new Replay(machine, task, trace, options).run();
}

class Replay {
  private readonly slotBase: number;
  /** Accesses of the rows before each row. */
  private readonly before: Float64Array;
  private readonly readsBefore: Float64Array;
  private readonly events: readonly ReplayEvent[];
  private eventNext = 0;
  private row = 0;
  private readonly stores: StoreIndex;
  /** Accesses of the current row that are done already. */
  private rowDone = 0;
  private progressNext = 0;

  constructor(
    private readonly machine: Machine,
    private readonly task: Task,
    private readonly trace: AccessTrace,
    private readonly options: ReplayOptions,
  ) {
    const first = machine.ptes.reserve(task.mm.id, trace.regions);
    this.slotBase = first << LEAF_SHIFT;
    const sums = prefixSums(trace);
    this.before = sums.all;
    this.readsBefore = sums.reads;
    this.events = options.events ?? [];
    this.stores = new StoreIndex(trace);
    machine.setLastStoreProgress((slot) => this.lastStoreProgress(slot));
  }

  run(): ReplayResult {
    const { rows } = this.trace;
    while (this.row < rows) {
      this.applyEvents();
      const end = this.runFree();
      if (this.row >= rows) break;
      if (end) continue;
      const result = this.trapped();
      if (result !== 'ok') return this.ended(this.row, result);
    }
    this.options.onProgress?.(rows);
    return this.ended(rows, 'done');
  }

  /**
   * Hits up to the next trap, address-space event or clock event. @returns true if it stopped
   * without a trap
   */
  private runFree(): boolean {
    if (this.rowDone > 0) return false;
    const next = this.events[this.eventNext]?.row ?? this.trace.rows;
    const limit = Math.min(this.trace.rows, next, this.progressNext + this.progressRows());
    const to = this.rowsUntilDeadline(limit);
    if (to <= this.row) return false;
    const { engine, ptes } = this.machine;
    const from = this.row;
    this.row = runHits(
      this.trace.ref,
      this.trace.n,
      ptes.bits,
      this.slotBase,
      this.task.nid,
      engine.awayByNode,
      from,
      to,
    );
    engine.settleHits(this.task.nid, this.before[this.row]! - this.before[from]!);
    this.countReads(from, this.row);
    this.progress();
    return this.row === to;
  }

  /**
   * Rows that surely end before the next event, at the slowest line, and whose accesses an int32
   * can count.
   */
  private rowsUntilDeadline(limit: number): number {
    const { clock, engine } = this.machine;
    const deadline = clock.deadline();
    const untilEvent =
      deadline === Infinity ? Infinity : (deadline - clock.now) / engine.lineNsMax();
    const budget = Math.min(untilEvent, ACCESSES_MAX);
    const allowed = this.before[this.row]! + budget;
    if (this.before[limit]! <= allowed) return limit;
    let low = this.row;
    let high = limit - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.before[middle]! <= allowed) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The current row, one access after the other's faults, cut at events of the clock. */
  private trapped(): ReplayResult['end'] | 'ok' {
    const access = this.trace.ref[this.row]!;
    const vpn = this.machine.ptes.vpnOf(this.slotBase + (access >> 1));
    const write = (access & 1) === 1;
    const left = this.trace.n[this.row]! - this.rowDone;
    this.machine.setProgress(this.row / this.trace.rows);
    const { engine } = this.machine;
    this.machine.work.runAs(this.task.struct);
    const { done, result } = engine.access(this.task.mm, vpn, write, this.task.nid, left);
    if (result === 'SIGSEGV' && this.options.unmapped !== 'kill') {
      this.mapMissing(vpn);
      return 'ok';
    }
    if (result !== 'ok') return result;
    if (!write) engine.shadow.counts.readsChecked += done;
    this.rowDone += done;
    if (this.rowDone >= this.trace.n[this.row]!) {
      this.row++;
      this.rowDone = 0;
      this.progress();
    }
    return 'ok';
  }

  /**
   * The trace touched what its events did not map (a kernel-made mapping, or a boundary in time):
   * map the page.
   */
  private mapMissing(vpn: number): void {
    const flags = vmFlags(PROT_READ | PROT_WRITE) | VM_MAYREAD | VM_MAYWRITE;
    const { mm } = this.task;
    const known = mm.find(vpn);
    const vma = anonymousVma(vpn, vpn + 1, flags);
    if (known === null) mm.replace(vpn, vpn + 1, [vma]);
    else if (this.task.mprotect(vpn, 1, PROT_READ | PROT_WRITE) < 0) {
      throw new MmError('TASK_KILLED', { detail: `page ${vpn} can be neither mapped nor used` });
    }
  }

  private ended(rows: number, end: ReplayResult['end']): ReplayResult {
    return { rows, accesses: this.before[rows]! + this.rowDone, end };
  }

  /** Rows done, and the current one if it has begun. */
  private lastStoreProgress(slot: number): number {
    const end = this.rowDone > 0 ? this.row + 1 : this.row;
    const last = this.stores.lastBefore(slot - this.slotBase, end);
    return Math.max(0, last) / Math.max(1, this.trace.rows);
  }

  private applyEvents(): void {
    for (;;) {
      const event = this.events[this.eventNext];
      if (event === undefined || event.row > this.row || this.rowDone > 0) return;
      this.eventNext++;
      event.apply(this.task);
    }
  }

  private countReads(from: number, to: number): void {
    const reads = this.readsBefore[to]! - this.readsBefore[from]!;
    this.machine.engine.shadow.counts.readsChecked += reads;
  }

  private progressRows(): number {
    return this.options.progressRows ?? PROGRESS_ROWS;
  }

  private progress(): void {
    if (this.row < this.progressNext + this.progressRows()) return;
    this.progressNext = this.row;
    this.options.onProgress?.(this.row);
  }
}

/** Sums of n over the rows before each row: of all rows, and of those that read. */
function prefixSums(trace: AccessTrace): { all: Float64Array; reads: Float64Array } {
  const all = new Float64Array(trace.rows + 1);
  const reads = new Float64Array(trace.rows + 1);
  for (let from = 0; from < trace.rows; from += SUM_ROWS) {
    sumRows(trace.ref, trace.n, all, reads, from, Math.min(trace.rows, from + SUM_ROWS));
  }
  return { all, reads };
}

function sumRows(
  ref: Int32Array,
  n: Int32Array,
  all: Float64Array,
  reads: Float64Array,
  from: number,
  to: number,
): void {
  let sumAll = all[from]!;
  let sumReads = reads[from]!;
  for (let row = from; row < to; row++) {
    const accesses = n[row]!;
    sumAll += accesses;
    if ((ref[row]! & 1) === 0) sumReads += accesses;
    all[row + 1] = sumAll;
    reads[row + 1] = sumReads;
  }
}
