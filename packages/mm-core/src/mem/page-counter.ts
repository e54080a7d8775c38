/**
 * Pages in use of a group and of all above it (mm/page_counter.c). A charge goes to the counter and
 * to every parent, or to none.
 */
export class PageCounter {
  usage = 0;
  /** Hard limit in pages. */
  max = Infinity;
  /** Above this a charger is made to reclaim. */
  high = Infinity;
  /** Protected as long as anything else can be had, and protected always. */
  low = 0;
  min = 0;
  /** Highest usage so far (memory.peak). */
  watermark = 0;

  constructor(readonly parent: PageCounter | null) {}

  /** Charges the hierarchy. @returns null, or the counter that is full: nothing is charged then */
  tryCharge(pages: number): PageCounter | null {
    for (let at: PageCounter | null = this; at !== null; at = at.parent) {
      if (at.usage + pages > at.max) return at;
    }
    this.charge(pages);
    return null;
  }

  /** Charges whatever the limits say (page_counter_charge). */
  charge(pages: number): void {
    for (let at: PageCounter | null = this; at !== null; at = at.parent) {
      at.usage += pages;
      at.watermark = Math.max(at.watermark, at.usage);
    }
  }

  uncharge(pages: number): void {
    for (let at: PageCounter | null = this; at !== null; at = at.parent) at.usage -= pages;
  }
}
