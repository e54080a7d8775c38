/**
 * Somebody who keeps pages on their way to a swap device in memory of his own: virtual swap, in
 * front of zswap. What he takes stays in the swap cache, so a fault finds it there and writing it
 * to the device later is ordinary reclaim of a dirty folio of the swap cache. Simplified: a slot of
 * the device is set aside for it all the same.
 */
export interface SwapFront {
  /**
   * Called by reclaim for a dirty base page that is unmapped, isolated and in the swap cache.
   * @returns a page that holds the same now, with one reference, to take its place; -1: not taken
   */
  take(folio: number): number;
  /**
   * Is the folio one of his? Then it stays in the swap cache when it is read, and when the last
   * entry goes until he looks.
   */
  keeps(folio: number): boolean;
}
