/**
 * The bytes behind pages, by name; structurally the interface of the same name in
 * `@mm-lab/mm-core`.
 */
export interface PageData {
  /**
   * Name of the bytes that virtual page `vpn` holds after a write at `progress` (0..1) of the
   * program. Equal keys are equal bytes, 0 is the zero page; keys are int32 of at least 0 and
   * bounded in number.
   *
   * @param version machine-wide number of the write, to choose among variants
   */
  keyOf(vpn: number, version: number, progress: number): number;
  /** Writes the 4096 bytes of `key` into `out`. */
  render(key: number, out: Uint8Array): void;
  /**
   * Bytes that page `key` takes when each block of `blockBytes` is compressed alone with `codec`
   * and a block that does not shrink is kept raw; at most 4096.
   */
  compressedSize(key: number, codec: string, blockBytes: number): number;
}

/** `PageData` with a bound on its keys. */
export interface BoundedPageData extends PageData {
  /** One more than the largest key. */
  readonly keyCount: number;
}
