import { assert, IntrusiveLists } from '@mm-lab/mm-core';

const IN_USE = 0;

/**
 * The driver's own allocator: device pages are free here or in use, by age. Pages never used yet
 * cost nothing: they stand behind a mark.
 *
 * Invariant: free + in use = pages of the range.
 */
export class DevicePages {
  private readonly byAge: IntrusiveLists;
  /** Freed pages, the last one on top. */
  private readonly recycled: number[] = [];
  /** First page never handed out, relative to `base`. */
  private untouched = 0;
  private used = 0;
  usedPeak = 0;

  /** @param base first pfn */
  constructor(
    private readonly base: number,
    private readonly pages: number,
  ) {
    this.byAge = new IntrusiveLists(pages, 1);
  }

  /** Takes a free page; it is the youngest in use. @returns its pfn, or -1 */
  take(): number {
    const page = this.recycled.pop() ?? (this.untouched < this.pages ? this.untouched++ : -1);
    if (page < 0) return -1;
    this.byAge.addHead(IN_USE, page);
    this.used += 1;
    this.usedPeak = Math.max(this.usedPeak, this.used);
    return this.base + page;
  }

  give(pfn: number): void {
    const page = pfn - this.base;
    assert(this.byAge.linked(page), 'a page in use is given back once');
    this.byAge.remove(page);
    this.recycled.push(page);
    this.used -= 1;
  }

  get inUse(): number {
    return this.used;
  }

  get free(): number {
    return this.pages - this.used;
  }

  /** Pages in use from the oldest on that `accepts` takes, at most `pagesMax`. */
  oldest(pagesMax: number, accepts: (pfn: number) => boolean): number[] {
    const found: number[] = [];
    let page = this.byAge.last(IN_USE);
    while (page >= 0 && found.length < pagesMax) {
      if (accepts(this.base + page)) found.push(this.base + page);
      page = this.byAge.before(page);
    }
    return found;
  }

  /** Rechecks the invariant by a recount. */
  verify(): void {
    const inUse = [...this.byAge.walk(IN_USE)];
    assert(inUse.length === this.used, 'pages in use equal a recount');
    assert(
      this.untouched - this.recycled.length === this.used,
      'a page that was handed out is in use or on the free list',
    );
    for (const page of this.recycled) assert(!this.byAge.linked(page), 'a free page is not in use');
  }
}
