import { EBUSY, EINVAL } from '../abi/errno.js';
import { VM_MERGEABLE } from '../abi/mman.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { ksmVmaFlags } from '../mem/ksm-vma.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type KsmMerge, KsmMergeToken } from './ksm-merge.js';
import { type KsmScan, KsmScanToken } from './ksm-scan.js';
import { type KsmTree, KsmTreeToken } from './ksm-tree.js';
import { type Mms, MmsToken } from './mms.js';
import { type Work, WorkToken } from './work.js';

/** What ksmd is told to do (/sys/kernel/mm/ksm/run). */
export const KSM_RUN_STOP = 0;
export const KSM_RUN_MERGE = 1;
export const KSM_RUN_UNMERGE = 2;

const NS_PER_MS = 1_000_000;
/**
 * A sleep lasts whole ticks and the one that runs (HZ is 250); to drain the batches of every CPU
 * before a scan takes about one more.
 */
const TICK_NS = 4 * NS_PER_MS;
/** Until the thread runs that was just woken: half a tick, so that no round time meets a scan. */
const WAKE_NS = TICK_NS / 2;

/**
 * KSM's thread and its switches (mm/ksm.c:ksm_scan_thread, run_store).
 *
 * ksmd: stopped --run = 1 and an address space to scan--> scans some pages --sleeps--> scans …; it
 * stops when run changes or nothing is left to scan.
 */
@injectable()
export class Ksm {
  run = KSM_RUN_STOP;
  /** pages_to_scan and sleep_millisecs: pages between two sleeps, and how long those are. */
  pagesToScan = 100;
  sleepMs = 20;
  private isScheduled = false;

  constructor(
    @inject(KsmScanToken) readonly scanner: KsmScan,
    @inject(KsmTreeToken) readonly tree: KsmTree,
    @inject(KsmMergeToken) private readonly merge: KsmMerge,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** An area of the address space became mergeable (__ksm_enter). */
  enter(mm: MmStruct): void {
    this.scanner.enter(mm);
    this.wake();
  }

  /** A child's areas are as mergeable as its parent's (ksm_fork). */
  fork(parent: MmStruct, child: MmStruct): void {
    child.ksmMergeAny = parent.ksmMergeAny;
    if (parent.ksmMergeable) this.enter(child);
  }

  /** prctl(PR_SET_MEMORY_MERGE): every area that may be is mergeable, or none any more. */
  setMergeAny(mm: MmStruct, any: boolean): number {
    if (any === mm.ksmMergeAny) return 0;
    for (const vma of any ? [] : mm.vmas) {
      const rc = this.unmerge(mm, vma);
      if (rc < 0) return rc;
    }
    mm.ksmMergeAny = any;
    mm.vmas = mm.vmas.map((vma) => {
      const flags = any ? ksmVmaFlags(mm, vma.flags) : vma.flags & ~VM_MERGEABLE;
      return flags === vma.flags ? vma : { ...vma, flags };
    });
    if (any) this.enter(mm);
    return 0;
  }

  /** MADV_UNMERGEABLE: merged pages of the area are copied. @returns 0 or -ENOMEM */
  unmerge(mm: MmStruct, vma: Vma): number {
    if ((vma.flags & VM_MERGEABLE) === 0 || vma.anonVma === null) return 0;
    return this.merge.breakRange(mm, vma);
  }

  /** @returns 0, -EINVAL for another number, -ENOMEM if not every page could be unmerged */
  setRun(run: number): number {
    if (run < KSM_RUN_STOP || run > KSM_RUN_UNMERGE) return -EINVAL;
    if (run === this.run) return 0;
    this.run = run;
    if (run === KSM_RUN_UNMERGE) {
      const rc = this.unmergeAll();
      if (rc < 0) this.run = KSM_RUN_STOP;
      return rc;
    }
    this.wake();
    return 0;
  }

  /** @returns 0, or -EBUSY while pages are merged */
  setMergeAcrossNodes(across: boolean): number {
    if (across === this.scanner.mergeAcrossNodes) return 0;
    if (this.tree.counts().shared > 0) return -EBUSY;
    this.tree.clear();
    this.scanner.mergeAcrossNodes = across;
    return 0;
  }

  /** @returns 0, -EINVAL below 2, -EBUSY while pages are merged */
  setMaxPageSharing(pages: number): number {
    if (pages < 2) return -EINVAL;
    if (pages === this.tree.maxPageSharing) return 0;
    if (this.tree.counts().shared > 0) return -EBUSY;
    this.tree.clear();
    this.tree.maxPageSharing = pages;
    return 0;
  }

  /** Zero pages in place of pages of zeroes, of every address space. */
  zeroPages(): number {
    return this.merge.zeroPages(this.mms.all());
  }

  private unmergeAll(): number {
    for (const mm of this.scanner.mms()) {
      for (const vma of mm.vmas) {
        const rc = this.unmerge(mm, vma);
        if (rc < 0) return rc;
      }
    }
    this.scanner.forgetAll();
    return 0;
  }

  private shouldRun(): boolean {
    return this.run === KSM_RUN_MERGE && this.scanner.hasWork();
  }

  private wake(): void {
    if (this.isScheduled || !this.shouldRun()) return;
    this.isScheduled = true;
    this.clock.after(WAKE_NS, () => this.step());
  }

  private step(): void {
    this.isScheduled = false;
    if (!this.shouldRun()) return;
    this.scanner.scan(this.pagesToScan);
    const ns = this.work.take();
    this.isScheduled = true;
    const ticks = Math.ceil((this.sleepMs * NS_PER_MS) / TICK_NS) + 2;
    this.clock.after(ns + ticks * TICK_NS, () => this.step());
  }
}
export const KsmToken = createToken<Ksm>('Ksm');
