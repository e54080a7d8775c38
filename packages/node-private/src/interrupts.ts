import { type Callbacks, CallbacksToken, createToken, inject, injectable } from '@mm-lab/mm-core';

/**
 * Hard interrupts of a driver (in_interrupt). Handlers of timed events are kernel threads here; a
 * driver that wants to be an interrupt says so.
 */
@injectable()
export class Interrupts {
  private depth = 0;

  constructor(@inject(CallbacksToken) private readonly callbacks: Callbacks) {}

  /** Is an interrupt handler running? */
  active(): boolean {
    return this.depth > 0;
  }

  /** Runs a handler as an interrupt. */
  run<T>(handler: () => T): T {
    this.depth++;
    try {
      return this.callbacks.runAtomic(handler);
    } finally {
      this.depth--;
    }
  }
}
export const InterruptsToken = createToken<Interrupts>('Interrupts');
