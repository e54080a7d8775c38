import { type Clock, PAGE_SIZE } from '@mm-lab/mm-core';

/** Peaks and time averages of what a device holds. */
export class UsageHistory {
  logicalPagesPeak = 0;
  physicalBytesPeak = 0;
  private savedBytes = 0;
  /** Integral of the saved bytes up to `settledNs`, in byte-ns. */
  private savedArea = 0;
  private settledNs = 0;

  constructor(private readonly clock: Clock) {}

  /** Holds `logicalPages` in `physicalBytes` from now on. */
  update(logicalPages: number, physicalBytes: number): void {
    this.settle();
    this.savedBytes = logicalPages * PAGE_SIZE - physicalBytes;
    this.logicalPagesPeak = Math.max(this.logicalPagesPeak, logicalPages);
    this.physicalBytesPeak = Math.max(this.physicalBytesPeak, physicalBytes);
  }

  /**
   * Logical less physical bytes, averaged over the time since the machine was built. Below 0 where
   * bookkeeping costs more than compression gains.
   */
  savedBytesMean(): number {
    this.settle();
    return this.settledNs === 0 ? 0 : this.savedArea / this.settledNs;
  }

  private settle(): void {
    this.savedArea += this.savedBytes * (this.clock.now - this.settledNs);
    this.settledNs = this.clock.now;
  }
}
