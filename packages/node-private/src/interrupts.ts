import { createToken, injectable } from '@mm-lab/mm-core';

/**
 * Hard interrupts of a driver (in_interrupt). Handlers of timed events are kernel threads here; a
 * driver that wants to be an interrupt says so.
 */
@injectable()
export class Interrupts {
  private depth = 0;

  /** Is an interrupt handler running? */
  active(): boolean {
    return this.depth > 0;
  }

  /** Runs a handler as an interrupt. */
  run<T>(handler: () => T): T {
    this.depth++;
    try {
      return handler();
    } finally {
      this.depth--;
    }
  }
}
export const InterruptsToken = createToken<Interrupts>('Interrupts');
