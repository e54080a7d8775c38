import { assert } from '@mm-lab/mm-core';

const POISONED = 1;

/**
 * Which page of the device takes how many bytes of the medium, and whose contents are lost.
 *
 * Invariants: `usedBytes` is the sum over all pages, `storedPages` the number of pages with bytes,
 * `poisonedPages` the number of poisoned ones; a poisoned page takes no bytes.
 */
export class PageLedger {
  usedBytes = 0;
  storedPages = 0;
  poisonedPages = 0;
  private readonly bytes: Uint16Array;
  private readonly flags: Uint8Array;

  constructor(pages: number) {
    this.bytes = new Uint16Array(pages);
    this.flags = new Uint8Array(pages);
  }

  bytesOf(page: number): number {
    return this.bytes[page]!;
  }

  isPoisoned(page: number): boolean {
    return this.flags[page] === POISONED;
  }

  /** The page takes `bytes` from now on (0 = nothing is stored) and is not poisoned. */
  set(page: number, bytes: number): void {
    const before = this.bytes[page]!;
    if (this.flags[page] === POISONED) this.poisonedPages -= 1;
    if (before > 0) this.storedPages -= 1;
    if (bytes > 0) this.storedPages += 1;
    this.flags[page] = 0;
    this.bytes[page] = bytes;
    this.usedBytes += bytes - before;
  }

  /** The page's contents are lost: what it held before was overwritten and takes nothing. */
  poison(page: number): void {
    this.set(page, 0);
    this.flags[page] = POISONED;
    this.poisonedPages += 1;
  }

  /** No page holds anything. */
  clear(): void {
    this.bytes.fill(0);
    this.flags.fill(0);
    this.usedBytes = 0;
    this.storedPages = 0;
    this.poisonedPages = 0;
  }

  /** Counts everything again. */
  verify(): void {
    let usedBytes = 0;
    let storedPages = 0;
    let poisonedPages = 0;
    for (let page = 0; page < this.bytes.length; page++) {
      const bytes = this.bytes[page]!;
      usedBytes += bytes;
      if (bytes > 0) storedPages += 1;
      if (this.flags[page] === POISONED) poisonedPages += 1;
      assert(bytes === 0 || this.flags[page] === 0, 'a poisoned page takes no bytes');
    }
    assert(usedBytes === this.usedBytes, 'used bytes equal their recount');
    assert(storedPages === this.storedPages, 'stored pages equal their recount');
    assert(poisonedPages === this.poisonedPages, 'poisoned pages equal their recount');
  }
}
