/** Columns of compressed sizes, as the recorder names them. */
export const SIZE_COLUMNS = [
  'lz4',
  'lzo',
  'lzorle',
  'zstd1',
  'zstd3',
  'deflate',
  'lz4_2k',
  'lz4_1k',
  'zlines',
  'bdi',
] as const;

/** Name of a column of compressed sizes (`zlines`: all-zero 64-byte lines). */
export type SizeColumn = (typeof SIZE_COLUMNS)[number];

/** What a page belongs to, as an ASCII code in `SizesTable.kind`. */
export const PAGE_KIND = {
  /** `A`: anonymous memory. */
  anonymous: 65,
  /** `D`: a private written copy of a file's page. */
  privateFile: 68,
  /** `F`: a page of a mapped file. */
  file: 70,
  /** `S`: stack. */
  stack: 83,
} as const;

/** What fills a page, as an ASCII code in `SizesTable.fill`. */
export const PAGE_FILL = {
  /** `Z`: all zero. */
  zero: 90,
  /** `S`: one 64-bit word repeated. */
  same: 83,
  /** `-`: anything else. */
  other: 45,
} as const;

/**
 * Compressed sizes of every resident page at some snapshots of a run; one row a page and snapshot,
 * ordered by snapshot. All columns have `rows` elements in shared memory.
 */
export interface SizesTable {
  readonly name: string;
  readonly rows: number;
  /** Number of snapshots: one more than the largest `snap`. */
  readonly snapshots: number;
  readonly snap: Uint8Array;
  readonly vpn: Float64Array;
  /** A code of `PAGE_KIND`. */
  readonly kind: Uint8Array;
  /** A code of `PAGE_FILL`. */
  readonly fill: Uint8Array;
  /** Sizes in bytes by column; may exceed 4096. */
  readonly sizes: Readonly<Record<SizeColumn, Int32Array>>;
}
