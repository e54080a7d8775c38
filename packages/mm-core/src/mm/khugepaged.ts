import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import type { Clock, ScheduledEvent } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type Collapse, CollapseToken } from './collapse.js';
import { CostModel } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mms, MmsToken } from './mms.js';
import { type ThpSettings, ThpSettingsToken } from './thp-settings.js';
import { type Work, WorkToken } from './work.js';

const NS_PER_MS = 1_000_000;

/** Files of khugepaged that count. */
export interface KhugepagedCounts {
  pages_collapsed: number;
  full_scans: number;
}

/**
 * The kernel thread that collapses (mm/khugepaged.c:khugepaged), an actor of the clock.
 *
 * asleep --scan_sleep_millisecs or a write to that file--> scanning (khugepaged_do_scan, one event)
 * --pages_to_scan or a failed allocation--> asleep. It has no event while it has nothing to scan.
 *
 * Simplified: the first address space to scan does not wake it, it waits for the end of its sleep;
 * a pass is one moment, and its cost is added to the sleep.
 */
@injectable()
export class Khugepaged {
  readonly counts: KhugepagedCounts = { pages_collapsed: 0, full_scans: 0 };
  private sleep: ScheduledEvent | null = null;
  /** Where the next pass begins (khugepaged_scan). */
  private at: { mm: MmStruct; vpn: number } | null = null;

  constructor(
    @inject(MmsToken) private readonly mms: Mms,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(CollapseToken) private readonly collapse: Collapse,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {
    thp.onScannable = (mm, vma) => this.enter(mm, vma);
  }

  /** An area may be scanned from now on (khugepaged_enter_vma). */
  private enter(mm: MmStruct, vma: Vma): void {
    if (mm.khugepaged || !this.thp.pmdEnabled() || !this.mayScan(mm, vma)) return;
    mm.khugepaged = true;
    this.fallAsleep(0);
  }

  /** Its sleep is over at once: somebody wrote how long it sleeps. */
  wake(): void {
    this.sleep?.cancel();
    this.sleep = null;
    if (this.hasWork()) this.sleep = this.clock.after(this.cost.ns.kswapdWake, () => this.run());
  }

  private hasWork(): boolean {
    if (!this.thp.pmdEnabled()) return false;
    for (const mm of this.mms.all()) if (mm.khugepaged) return true;
    return false;
  }

  private fallAsleep(spentNs: number): void {
    if (this.sleep?.pending === true || !this.hasWork()) return;
    const ns = this.thp.khugepaged.scan_sleep_millisecs * NS_PER_MS + spentNs;
    this.sleep = this.clock.after(Math.max(ns, NS_PER_MS), () => this.run());
  }

  /** khugepaged_do_scan. */
  private run(): void {
    this.sleep = null;
    this.folios.lruAddDrainAll();
    let left = this.thp.khugepaged.pages_to_scan;
    for (let heads = 0; left > 0; ) {
      if (this.at === null) heads++;
      if (heads > 1) break;
      const mm = this.nextMm();
      if (mm === null) break;
      const scanned = this.scanMm(mm, left);
      left -= Math.max(1, scanned.pages);
      if (scanned.failed) break;
    }
    this.fallAsleep(this.work.take());
  }

  /** The address space to go on with; the first one after a full round. */
  private nextMm(): MmStruct | null {
    const list = [...this.mms.all()].filter((mm) => mm.khugepaged);
    if (this.at !== null && list.includes(this.at.mm)) return this.at.mm;
    const first = list[0];
    this.at = first === undefined ? null : { mm: first, vpn: 0 };
    return first ?? null;
  }

  /** Goes on in one address space until so many pages were looked at (khugepaged_scan_mm_slot). */
  private scanMm(mm: MmStruct, pages: number): { pages: number; failed: boolean } {
    let scanned = 0;
    for (const vma of mm.vmas) {
      const from = Math.max(vma.start, this.at?.vpn ?? 0);
      if (from >= vma.end) continue;
      if (!this.mayScan(mm, vma)) {
        scanned++;
        continue;
      }
      const start = Math.ceil(from / PTRS_PER_PTE) * PTRS_PER_PTE;
      for (let first = start; first + PTRS_PER_PTE <= vma.end; first += PTRS_PER_PTE) {
        if (scanned >= pages) return { pages: scanned, failed: false };
        const result = this.collapse.pmd(mm, vma, first, 'khugepaged');
        if (result === 'succeed') this.counts.pages_collapsed++;
        scanned += PTRS_PER_PTE;
        this.at = { mm, vpn: first + PTRS_PER_PTE };
        if (result === 'alloc huge page fail') return { pages: scanned, failed: true };
      }
    }
    this.toNextMm(mm);
    return { pages: scanned, failed: false };
  }

  private toNextMm(mm: MmStruct): void {
    const list = [...this.mms.all()].filter((other) => other.khugepaged);
    const next = list[list.indexOf(mm) + 1];
    this.at = next === undefined ? null : { mm: next, vpn: 0 };
    if (next === undefined) this.counts.full_scans++;
  }

  private mayScan(mm: MmStruct, vma: Vma): boolean {
    return this.thp.allowableOrders(mm, vma, 'khugepaged', 1 << PMD_ORDER) !== 0;
  }
}
export const KhugepagedToken = createToken<Khugepaged>('Khugepaged');
