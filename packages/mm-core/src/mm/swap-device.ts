import { createToken, inject, injectable } from '../base/di.js';
import { type ReadReason, SwapBackend } from './swap-backend.js';

/** The swap device, and which of its slots hold a page. */
@injectable()
export class SwapDevice {
  private readonly written: Uint8Array;

  constructor(@inject(SwapBackend) private readonly backend: SwapBackend) {
    this.written = new Uint8Array(backend.slots);
  }

  get slots(): number {
    return this.backend.slots;
  }

  get synchronous(): boolean {
    return this.backend.synchronous;
  }

  /** @returns 0 or -errno */
  store(slot: number, key: number, nid: number): number {
    const rc = this.backend.store(slot, key, nid);
    if (rc >= 0) this.written[slot] = 1;
    return rc;
  }

  get rotational(): boolean {
    return this.backend.rotational === true;
  }

  load(slot: number, why: ReadReason): void {
    this.backend.load(slot, why);
  }

  /** The slot is free again (swap_slot_free_notify). */
  free(slot: number): void {
    if (this.written[slot] === 0) return;
    this.written[slot] = 0;
    this.backend.free(slot);
  }

  /** Does the slot hold a page, if perhaps an old one? */
  has(slot: number): boolean {
    return this.written[slot] === 1;
  }
}
export const SwapDeviceToken = createToken<SwapDevice>('SwapDevice');
