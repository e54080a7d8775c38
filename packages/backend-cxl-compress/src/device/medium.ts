/** Who gives out the physical space of a device: where a page lies, and what that wastes. */
export interface Medium {
  /**
   * Bytes of the capacity that are not to be had any more for contents that do not shrink: what is
   * stored, and what lies between in pieces that are too small.
   */
  readonly usedBytes: number;
  /** Times that it moved what is stored to make room, and the bytes that it moved. */
  readonly compactions: number;
  readonly movedBytes: number;
  /**
   * The page holds pieces of these sizes from now on; none: nothing.
   * @returns false: no room, and it holds nothing
   */
  place(page: number, pieces: readonly number[]): boolean;
  /** Nothing is held any more. */
  clear(): void;
  /** Counts everything again. */
  verify(): void;
}
