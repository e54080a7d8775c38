import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';

/** Why entries go or change (include/linux/mmu_notifier.h:enum mmu_notifier_event). */
export const MMU_NOTIFY_UNMAP = 0;
export const MMU_NOTIFY_CLEAR = 1;
export const MMU_NOTIFY_PROTECTION_VMA = 2;
export const MMU_NOTIFY_PROTECTION_PAGE = 3;
export const MMU_NOTIFY_SOFT_DIRTY = 4;
export const MMU_NOTIFY_RELEASE = 5;
export const MMU_NOTIFY_MIGRATE = 6;
export const MMU_NOTIFY_EXCLUSIVE = 7;

/** Entries of [start, end) go or lose permissions (struct mmu_notifier_range). */
export interface MmuNotifierRange {
  readonly mmId: number;
  /** Virtual page numbers. */
  readonly start: number;
  readonly end: number;
  /** MMU_NOTIFY_*. */
  readonly event: number;
  /** Who does it: a listener may know its own changes by it. */
  readonly by: object | null;
}

/** Someone who keeps a copy of a part of an address space (struct mmu_interval_notifier). */
export class MmuIntervalNotifier {
  /** Invalidations of the interval so far. */
  private seq = 0;

  constructor(
    readonly mmId: number,
    readonly start: number,
    readonly end: number,
    private readonly onInvalidate: (range: MmuNotifierRange) => void,
  ) {}

  /** mmu_interval_read_begin. */
  readBegin(): number {
    return this.seq;
  }

  /** Was the interval invalidated since `seq` was read (mmu_interval_read_retry)? */
  readRetry(seq: number): boolean {
    return this.seq !== seq;
  }

  invalidate(range: MmuNotifierRange): void {
    if (range.start >= this.end || range.end <= this.start) return;
    this.seq++;
    this.onInvalidate(range);
  }
}

/**
 * Tells those who mirror an address space that its entries are about to change
 * (mm/mmu_notifier.c). Costs one comparison when nobody listens anywhere.
 *
 * Simplified: Linux brackets a change by start and end; here nothing runs in between, so that one
 * call before the change stands for both.
 */
@injectable()
export class MmuNotifiers {
  private readonly byMm = new Map<number, MmuIntervalNotifier[]>();

  constructor(@inject(PtesToken) private readonly ptes: Ptes) {}

  /** mmu_interval_notifier_insert. */
  insert(notifier: MmuIntervalNotifier): void {
    const known = this.byMm.get(notifier.mmId) ?? [];
    known.push(notifier);
    this.byMm.set(notifier.mmId, known);
  }

  /** mmu_interval_notifier_remove. */
  remove(notifier: MmuIntervalNotifier): void {
    const left = (this.byMm.get(notifier.mmId) ?? []).filter((other) => other !== notifier);
    if (left.length > 0) this.byMm.set(notifier.mmId, left);
    else this.byMm.delete(notifier.mmId);
  }

  /** Entries of a range change (mmu_notifier_invalidate_range_start). */
  invalidate(
    mmId: number,
    start: number,
    end: number,
    event: number,
    by: object | null = null,
  ): void {
    if (this.byMm.size === 0) return;
    const listeners = this.byMm.get(mmId) ?? [];
    for (const notifier of [...listeners]) notifier.invalidate({ mmId, start, end, event, by });
  }

  /** One entry changes. */
  invalidateSlot(slot: number, event: number): void {
    if (this.byMm.size === 0) return;
    const vpn = this.ptes.vpnOf(slot);
    this.invalidate(this.ptes.mmOf(slot), vpn, vpn + 1, event);
  }

  /** All entries of a leaf change. */
  invalidateLeaf(leaf: number, event: number): void {
    if (this.byMm.size === 0) return;
    const slot = leaf << LEAF_SHIFT;
    const first = this.ptes.vpnOf(slot);
    this.invalidate(this.ptes.mmOf(slot), first, first + PTRS_PER_PTE, event);
  }

  /** The address space goes (mmu_notifier_release): listeners stay until they remove themselves. */
  release(mmId: number): void {
    this.invalidate(mmId, 0, Infinity, MMU_NOTIFY_RELEASE);
  }
}
export const MmuNotifiersToken = createToken<MmuNotifiers>('MmuNotifiers');
