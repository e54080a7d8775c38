import { type OptionCheck, PAGE_SIZE } from '@mm-lab/mm-core';

/** The host's last cache, as far as copies of pages to and from the device go through it. */
export interface HostCacheOptions {
  /** Pages whose lines it has room for, 0..2^20. */
  readonly pages: number;
  /**
   * How the kernel copies a page to the device. 'ordinary': each line that is not cached is fetched
   * first, stays dirty, and is written when it leaves. 'non-temporal': lines are written at once,
   * and nothing is fetched. Default 'ordinary'.
   */
  readonly copies?: 'ordinary' | 'non-temporal';
}

const PAGES_MAX = 1 << 20;

/** Fills in and checks. @throws MmError DEVICE_BAD_OPTION */
export function hostCacheOf(
  check: OptionCheck,
  options: HostCacheOptions,
): Required<HostCacheOptions> {
  check.known(options, ['pages', 'copies']);
  const { pages, copies = 'ordinary' } = options;
  check.integer('hostCache.pages', pages, [0, PAGES_MAX]);
  check.word('hostCache.copies', copies, ['ordinary', 'non-temporal']);
  return { pages, copies };
}

/**
 * Which lines of the device's pages the host has, and what it asks of the device for them. Copies
 * are of whole pages, so lines are kept by the page, the least recently used first to go.
 * Simplified: the device takes a page into its account when it is stored, not when its lines are
 * written back; the lines that programs load and store one by one, and zeroing, pass it by.
 *
 * A page: absent --copied from the device--> clean --copied to it, ordinary--> dirty --evicted,
 * written--> absent; any --copied to it, non-temporal; or zeroed, or trimmed--> absent.
 */
export class HostCache {
  /** Bytes that the host read from the device, and wrote to it, for copies. */
  readBytes = 0;
  writtenBytes = 0;
  /** Is the page dirty? Oldest first: a Map keeps the order in which it was filled. */
  private readonly dirtyOf = new Map<number, boolean>();

  constructor(private readonly options: Required<HostCacheOptions>) {}

  /** The page is copied to the device. @returns were its lines fetched from it? */
  copyIn(page: number): boolean {
    if (this.options.copies === 'non-temporal') {
      this.dirtyOf.delete(page);
      this.writtenBytes += PAGE_SIZE;
      return false;
    }
    const isKept = this.dirtyOf.has(page);
    if (!isKept) this.readBytes += PAGE_SIZE;
    this.keep(page, true);
    return !isKept;
  }

  /** The page is copied from the device. @returns was it read from it? */
  copyOut(page: number): boolean {
    const dirty = this.dirtyOf.get(page);
    if (dirty === undefined) this.readBytes += PAGE_SIZE;
    this.keep(page, dirty ?? false);
    return dirty === undefined;
  }

  /** What the lines held is worth nothing any more. */
  drop(page: number): void {
    this.dirtyOf.delete(page);
  }

  clear(): void {
    this.dirtyOf.clear();
  }

  /** Counters for the results, by dotted name. */
  stats(): Readonly<Record<string, number>> {
    const dirty = [...this.dirtyOf.values()].filter((isDirty) => isDirty).length;
    return {
      'device.copy.read_bytes': this.readBytes,
      'device.copy.written_bytes': this.writtenBytes,
      'device.copy.dirty_pages': dirty,
    };
  }

  private keep(page: number, dirty: boolean): void {
    this.dirtyOf.delete(page);
    this.dirtyOf.set(page, dirty);
    if (this.dirtyOf.size <= this.options.pages) return;
    const [oldest] = this.dirtyOf;
    if (oldest === undefined) return;
    if (oldest[1]) this.writtenBytes += PAGE_SIZE;
    this.dirtyOf.delete(oldest[0]);
  }
}
