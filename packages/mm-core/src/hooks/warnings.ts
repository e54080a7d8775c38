import { createToken } from '../base/di.js';

/** TAINT_WARN of /proc/sys/kernel/tainted. */
const TAINT_WARN = 1 << 9;

/**
 * What the kernel complains about when it meets what should not be (WARN_ON): it goes on, and is
 * tainted. Nothing is printed; who wants to know asks.
 */
export class Warnings {
  private readonly places = new Map<string, number>();

  /** Bits of /proc/sys/kernel/tainted. */
  get tainted(): number {
    return this.places.size > 0 ? TAINT_WARN : 0;
  }

  /** @param place the function that complains */
  warn(place: string): void {
    this.places.set(place, (this.places.get(place) ?? 0) + 1);
  }

  /** Complains the first time only (WARN_ON_ONCE). */
  warnOnce(place: string): void {
    if (!this.places.has(place)) this.warn(place);
  }

  /** How often each place complained. */
  counts(): ReadonlyMap<string, number> {
    return this.places;
  }
}
export const WarningsToken = createToken<Warnings>('Warnings');
