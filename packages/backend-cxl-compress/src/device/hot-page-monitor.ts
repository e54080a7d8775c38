import type { Clock, OptionCheck } from '@mm-lab/mm-core';

/** A hotness monitoring unit (CXL 3.2): which pages does the host use most? */
export interface HotPageOptions {
  /**
   * Runs of accesses to a page within an epoch from which on it is hot, 1..2^20. Default 1. Lines
   * of one run are not told apart: the device sees its first access only.
   */
  readonly runs?: number;
  /** Hot pages are reported at the end of each epoch of this many ns. Default 1,000,000. */
  readonly epochNs?: number;
  /** Pages of one report at most; the others are dropped. Default 2^20. */
  readonly reportPages?: number;
}

const RUNS_MAX = 1 << 20;

/** Fills in and checks. @throws MmError DEVICE_BAD_OPTION */
export function hotPagesOf(check: OptionCheck, options: HotPageOptions): Required<HotPageOptions> {
  check.known(options, ['runs', 'epochNs', 'reportPages']);
  const { runs = 1, epochNs = 1_000_000, reportPages = RUNS_MAX } = options;
  check.integer('hotPages.runs', runs, [1, RUNS_MAX]);
  check.number('hotPages.epochNs', epochNs, [1, Number.MAX_VALUE]);
  check.integer('hotPages.reportPages', reportPages, [1, RUNS_MAX]);
  return { runs, epochNs, reportPages };
}

/**
 * Counts what the host uses and reports the pages that are hot. An epoch begins with the first use
 * after the last report, so that an idle device does nothing.
 */
export class HotPageMonitor {
  private reported = 0;
  /** Hot pages that a report had no room for. */
  private dropped = 0;
  private readonly runs = new Map<number, number>();
  private readonly handlers: ((pages: readonly number[]) => void)[] = [];
  private isCounting = false;

  constructor(
    private readonly options: Required<HotPageOptions>,
    private readonly clock: Clock,
  ) {}

  /** @param handler called with pages of the device, by index */
  onHot(handler: (pages: readonly number[]) => void): void {
    this.handlers.push(handler);
  }

  /** The host uses the page. */
  use(page: number): void {
    this.runs.set(page, (this.runs.get(page) ?? 0) + 1);
    if (this.isCounting) return;
    this.isCounting = true;
    this.clock.after(this.options.epochNs, () => this.report());
  }

  clear(): void {
    this.runs.clear();
  }

  /** Counters for the results, by dotted name. */
  stats(): Readonly<Record<string, number>> {
    return {
      'device.hot_pages.reported': this.reported,
      'device.hot_pages.dropped': this.dropped,
    };
  }

  private report(): void {
    this.isCounting = false;
    const { runs, reportPages } = this.options;
    const hot = [...this.runs].filter(([, count]) => count >= runs).map(([page]) => page);
    this.runs.clear();
    const told = hot.slice(0, reportPages);
    this.dropped += hot.length - told.length;
    this.reported += told.length;
    if (told.length > 0) for (const handler of this.handlers) handler(told);
  }
}
