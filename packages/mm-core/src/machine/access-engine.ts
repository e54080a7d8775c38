import { PG_anon } from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_CHECKED,
  PTE_DIRTY,
  PTE_NODE_MASK,
  PTE_NODE_SHIFT,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_WRITE,
  PTE_WRITTEN,
} from '../abi/pte.js';
import type { SignalCode, SignalInfo } from '../abi/siginfo.js';
import {
  VM_FAULT_ERROR,
  VM_FAULT_HWPOISON,
  VM_FAULT_HWPOISON_LARGE,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
} from '../abi/vm-fault.js';
import { MAX_NUMNODES, PAGE_SHIFT, PMD_ORDER } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { MmError } from '../hooks/errors.js';
import type { MemoryDevice } from '../hooks/memory-device.js';
import type { Tracepoints } from '../hooks/tracepoints.js';
import type { Contents } from '../mem/contents.js';
import { type FolioTable, VERSION_LOST, VERSION_ZERO } from '../mem/folio-table.js';
import type { Nodes } from '../mem/nodes.js';
import type { Ptes } from '../mem/ptes.js';
import { isExecuteOnly, type MmStruct, type Vma, vmaAllows } from '../mem/vma.js';
import type { HugetlbCache } from '../mm/hugetlb-cache.js';
import type { Memory } from '../mm/memory.js';
import type { MemoryFailure } from '../mm/memory-failure.js';
import type { OomKill } from '../mm/oom-kill.js';
import type { FilePlace, PageCache } from '../mm/page-cache.js';
import type { Work } from '../mm/work.js';
import type { Zap } from '../mm/zap.js';
import { LatencyHistogram } from './latency.js';
import { Shadow } from './shadow.js';

/** What one access came to. */
export type AccessResult = 'ok' | 'SIGSEGV' | 'SIGBUS' | 'killed';

/** Tries of one access before it counts as a livelock. */
const TRIES_MAX = 100_000;

/** Faults of one access that follow each other at once: promotion, write protect, and to spare. */
const FAULTS_AT_ONCE = 4;

/** Faults in a row for which there was neither memory nor anybody to kill: the kernel panics. */
const STARVED_MAX = 16;

/** Counts of the accesses of a machine. */
export interface AccessCounts {
  /** Accesses that found their page at once. */
  hits: number;
  /** Accesses that took at least one fault. */
  faulted: number;
  minor: number;
  major: number;
  /** Faults that ended in a signal or without memory: in pgfault, but neither minor nor major. */
  failed: number;
}

/** What the engine needs of the machine. */
export interface EngineParts {
  readonly clock: Clock;
  readonly work: Work;
  readonly table: FolioTable;
  readonly nodes: Nodes;
  readonly ptes: Ptes;
  readonly contents: Contents;
  readonly cache: PageCache;
  readonly hugetlb: HugetlbCache;
  readonly memory: Memory;
  readonly memoryFailure: MemoryFailure;
  readonly oom: OomKill;
  readonly zap: Zap;
  readonly tracepoints: Tracepoints;
}

/**
 * Single accesses with faults, contents, shadow memory and time. The loop over hits is `runHits`.
 */
export class AccessEngine {
  readonly shadow = new Shadow();
  /** Tries of one access after which it is taken to hang; whoever expects hangs lowers it. */
  triesMax = TRIES_MAX;
  readonly latency = new LatencyHistogram();
  readonly counts: AccessCounts = { hits: 0, faulted: 0, minor: 0, major: 0, failed: 0 };
  /** Accesses away from the home node since the last `settleHits`. */
  readonly awayByNode = new Int32Array(MAX_NUMNODES);

  constructor(private readonly parts: EngineParts) {}

  /** Frames behind these slots changed by somebody else's doing: the next access compares anew. */
  forgetChecks(slots: readonly number[]): void {
    const { ptes } = this.parts;
    for (const slot of slots) ptes.bits[slot]! &= ~(PTE_CHECKED | PTE_WRITTEN);
  }

  /** Latency of a line on a node, in nanoseconds. */
  lineNs(nid: number): number {
    return this.parts.nodes.pgdat(nid).lineNs;
  }

  /** The slowest line that any node can have. */
  lineNsMax(): number {
    let slowest = 1;
    for (const pgdat of this.parts.nodes.pgdats) {
      if (pgdat !== null && pgdat.lineNs > slowest) slowest = pgdat.lineNs;
    }
    return slowest;
  }

  /**
   * Moves the clock and the histogram by `accesses` hits: those that `runHits` added up away from
   * the home node, and the rest at home. No event may be due in between.
   */
  settleHits(home: number, accesses: number): void {
    let ns = 0;
    let rest = accesses;
    for (let nid = 0; nid < MAX_NUMNODES; nid++) {
      const away = this.awayByNode[nid]!;
      if (away === 0) continue;
      this.awayByNode[nid] = 0;
      rest -= away;
      ns += this.hit(nid, away);
    }
    if (rest > 0) ns += this.hit(home, rest);
    if (ns > 0) this.parts.clock.advance(ns);
  }

  /** Counts hits on a node. @returns the time they take, in nanoseconds */
  private hit(nid: number, accesses: number): number {
    const lineNs = this.lineNs(nid);
    this.counts.hits += accesses;
    this.latency.add(lineNs, accesses);
    return accesses * lineNs;
  }

  /**
   * One access that may trap, repeated `n` times by the program: the first may fault, all are
   * charged. A long row stops at the next event.
   *
   * The access is tried again as soon as its fault was handled, as a CPU does, and what the fault
   * cost passes afterwards: otherwise a background reclaimer could take the page away again before
   * it was ever used. A fault that asks for patience (VM_FAULT_RETRY), or comes back again and
   * again, lets its time pass first.
   * @returns accesses done (0 if the task did not survive), and the result
   */
  access(mm: MmStruct, vpn: number, write: boolean, nid: number, n: number): Done {
    const { clock, ptes, work } = this.parts;
    const begin = clock.now;
    const slot = ptes.slot(mm.id, vpn);
    let faults = 0;
    let starved = 0;
    for (let attempt = 0; attempt < this.triesMax; attempt++) {
      if (this.finishIfMapped(slot, vpn, write)) return this.charge(slot, begin, faults, n);
      const result = this.fault(mm, vpn, write, nid);
      faults++;
      const isError = (result & VM_FAULT_ERROR) !== 0;
      const wait = (result & VM_FAULT_RETRY) !== 0 || faults % FAULTS_AT_ONCE === 0;
      if (isError || wait) clock.advance(work.take());
      if (isError) {
        const signal = this.onError(mm, vpn, write, result);
        if (signal !== 'ok') return { done: 0, result: signal };
      }
      if ((result & VM_FAULT_OOM) !== 0) starved++;
      if (starved > STARVED_MAX) return { done: 0, result: 'killed' };
      if (this.parts.oom.isVictim(mm.id)) return { done: 0, result: 'killed' };
    }
    throw new MmError('ACCESS_LIVELOCK', { detail: `page ${vpn}, ${this.triesMax} tries` });
  }

  private fault(mm: MmStruct, vpn: number, write: boolean, nid: number): number {
    const { memory, work, tracepoints } = this.parts;
    const before = work.soFar();
    const result = memory.handleMmFault(mm, vpn, write, nid);
    const ns = work.soFar() - before;
    if ((result & (VM_FAULT_RETRY | VM_FAULT_ERROR)) === 0) this.countFault(result);
    else if ((result & VM_FAULT_ERROR) !== 0) this.counts.failed++;
    const tp = tracepoints.mm_fault;
    if (tp.enabled) tp.emit(vpn, write ? 1 : 0, result, ns);
    return result;
  }

  /** A fault that was handled, for the machine and for the task (mm_account_fault). */
  private countFault(result: number): void {
    const task = this.parts.work.current;
    if ((result & VM_FAULT_MAJOR) !== 0) {
      this.counts.major++;
      if (task !== null) task.majFlt++;
    } else {
      this.counts.minor++;
      if (task !== null) task.minFlt++;
    }
  }

  /** If the entry allows the access: compare or store, and mark the entry. */
  private finishIfMapped(slot: number, vpn: number, write: boolean): boolean {
    const { ptes } = this.parts;
    const bits = ptes.bits[slot]!;
    const need = write ? PTE_PRESENT | PTE_WRITE : PTE_PRESENT;
    if ((bits & need) !== need) return false;
    if (write) {
      this.store(slot, vpn);
      return true;
    }
    return this.load(slot, bits);
  }

  private store(slot: number, vpn: number): void {
    const { ptes, contents } = this.parts;
    const pfn = ptes.value[slot]!;
    const version = contents.store(pfn, vpn);
    const place = this.placeOf(pfn);
    if (place !== null) {
      this.storeToFile(slot, pfn, version, place);
      return;
    }
    ptes.shadow[slot] = version;
    this.shadow.noteStore(version, slot);
    // A device sees every store to its pages, so those never become hits of the loop.
    const written = contents.deviceOf(pfn) === null ? PTE_WRITTEN : 0;
    ptes.bits[slot] = ptes.bits[slot]! | PTE_ACCESSED | PTE_DIRTY | written;
  }

  /** The file page behind a frame, or null for anonymous memory. */
  private placeOf(pfn: number): FilePlace | null {
    const { table, cache, hugetlb } = this.parts;
    if (table.has(table.head(pfn), PG_anon)) return null;
    return cache.placeOf(pfn) ?? hugetlb.placeOf(pfn);
  }

  /**
   * What others may expect of a file changes with every store, so such an entry never becomes a
   * hit of the loop.
   */
  private storeToFile(slot: number, pfn: number, version: number, place: FilePlace): void {
    const { ptes, contents } = this.parts;
    place.file.expected.set(place.index, version);
    this.shadow.noteStore(version, slot);
    contents.onChangedBehind(pfn);
    ptes.bits[slot] = ptes.bits[slot]! | PTE_ACCESSED | PTE_DIRTY;
  }

  /** Contents that a load through the slot must find. */
  private expected(slot: number, bits: number): number {
    const { ptes } = this.parts;
    const place = (bits & PTE_SPECIAL) === 0 ? this.placeOf(ptes.value[slot]!) : null;
    if (place === null) return ptes.shadow[slot]!;
    return place.file.expected.get(place.index) ?? VERSION_ZERO;
  }

  /** @returns false if the page turned out poisoned and has to be faulted in again */
  private load(slot: number, bits: number): boolean {
    const { ptes, table } = this.parts;
    if ((bits & PTE_CHECKED) === 0) {
      const special = (bits & PTE_SPECIAL) !== 0;
      const found = special ? VERSION_ZERO : table.version[ptes.value[slot]!]!;
      const verdict = this.shadow.check(slot, this.expected(slot, bits), found);
      if (verdict !== 'good') ptes.shadow[slot] = found === VERSION_LOST ? VERSION_ZERO : found;
      if (found === VERSION_LOST) {
        this.poison(slot);
        return false;
      }
    }
    const checked = this.watcherOf(slot) === null ? PTE_CHECKED : 0;
    ptes.bits[slot] = ptes.bits[slot]! | PTE_ACCESSED | checked;
    return true;
  }

  /**
   * A load hit poison: machine check, memory_failure, SIGBUS. The program goes on with a fresh
   * page.
   */
  private poison(slot: number): void {
    const { ptes, memoryFailure, zap, work, clock } = this.parts;
    memoryFailure.memoryFailure(ptes.value[slot]!, 0);
    zap.entry(slot);
    clock.advance(work.take());
  }

  /** The device behind an entry if it is told of every access (`touchNs`). */
  private watcherOf(slot: number): MemoryDevice | null {
    const { ptes, contents } = this.parts;
    if ((ptes.bits[slot]! & PTE_SPECIAL) !== 0) return null;
    const device = contents.deviceOf(ptes.value[slot]!);
    return device?.touchNs === undefined ? null : device;
  }

  /** Latency of the first access of a run. */
  private touchNs(slot: number, lineNs: number): number {
    return this.watcherOf(slot)?.touchNs?.(this.parts.ptes.value[slot]!) ?? lineNs;
  }

  /**
   * Charges the access: its faults to the first, the line's latency to each, up to the next event.
   */
  private charge(slot: number, begin: number, faults: number, n: number): Done {
    const { clock, ptes, work } = this.parts;
    const bits = ptes.bits[slot]!;
    const lineNs = this.lineNs((bits & PTE_NODE_MASK) >>> PTE_NODE_SHIFT);
    clock.advance(work.take());
    const isStill = ((ptes.bits[slot]! ^ bits) & ~PTE_ACCESSED) === 0;
    const moreNs = isStill ? this.touchNs(slot, lineNs) - lineNs : 0;
    const room = Math.floor((clock.deadline() - clock.now - moreNs) / lineNs);
    const done = isStill ? Math.max(1, Math.min(n, room)) : 1;
    const firstNs = clock.now - begin + lineNs + moreNs;
    if (faults > 0) this.counts.faulted++;
    else this.counts.hits++;
    this.counts.hits += done - 1;
    this.latency.add(firstNs, 1);
    this.latency.add(lineNs, done - 1);
    clock.advance(done * lineNs + moreNs);
    return { done, result: 'ok' };
  }

  /** The running task gets a signal (force_sig_fault). */
  private raise(info: SignalInfo): AccessResult {
    const task = this.parts.work.current;
    if (task !== null) task.lastSignal = info;
    return info.signal;
  }

  private onError(mm: MmStruct, vpn: number, write: boolean, result: number): AccessResult {
    const { ptes, work, zap } = this.parts;
    const task = work.current;
    if ((result & VM_FAULT_HWPOISON_LARGE) !== 0) {
      this.shadow.counts.lostPages++;
      return this.raise(POISONED_LARGE);
    }
    if ((result & VM_FAULT_HWPOISON) !== 0) {
      this.shadow.counts.lostPages++;
      if (task?.onPoison === 'signal') return this.raise(POISONED);
      const slot = ptes.slot(mm.id, vpn);
      // Poison in a page of a file stays there: no fresh page can take its place.
      if (ptes.bits[slot] === 0) return this.raise(POISONED);
      ptes.shadow[slot] = VERSION_ZERO;
      zap.entry(slot);
      return 'ok';
    }
    if ((result & VM_FAULT_SIGSEGV) !== 0) {
      const vma = mm.find(vpn);
      return this.raise({ signal: 'SIGSEGV', code: codeOf(vma, write), lsb: 0 });
    }
    if ((result & VM_FAULT_SIGBUS) !== 0) return this.raise(BEYOND_FILE);
    const killed = (result & VM_FAULT_OOM) !== 0 && this.parts.oom.isVictim(mm.id);
    return killed ? 'killed' : 'ok';
  }
}

/** Why an area, or none, refused an access; a guard in it stands for no mapping. */
function codeOf(vma: Vma | null, write: boolean): SignalCode {
  if (vma === null || vmaAllows(vma, write)) return 'MAPERR';
  return isExecuteOnly(vma) ? 'PKUERR' : 'ACCERR';
}

const BEYOND_FILE: SignalInfo = { signal: 'SIGBUS', code: 'ADRERR', lsb: 0 };
const POISONED: SignalInfo = { signal: 'SIGBUS', code: 'MCEERR_AR', lsb: PAGE_SHIFT };
const POISONED_LARGE: SignalInfo = { ...POISONED, lsb: PAGE_SHIFT + PMD_ORDER };

/** How far an access of n repetitions came. */
export interface Done {
  readonly done: number;
  readonly result: AccessResult;
}
