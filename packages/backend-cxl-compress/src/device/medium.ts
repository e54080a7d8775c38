/**
 * Who gives out the physical space of a device: where a page lies, and what that wastes. A device
 * that packs without waste has none, its ledger is enough.
 */
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
   * The page holds blocks of these sizes from now on; none: nothing.
   * @returns false: no room, and it holds nothing
   */
  place(page: number, blocks: readonly number[]): boolean;
  /** Nothing is held any more. */
  clear(): void;
  /** Counts everything again. */
  verify(): void;
}

/** May it move what is stored to make room? */
export interface Compaction {
  /** Bytes in use from which on it does without being asked for room. */
  readonly fromBytes: number;
}
