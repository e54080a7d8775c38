import { type Clock, type OptionCheck, PAGE_SIZE, type PageData, SEEDS } from '@mm-lab/mm-core';

/** Where the compressed size of a page comes from; it is asked at each store. */
export type SizeSource =
  /** The page's own bytes, through the codec. */
  | { readonly kind: 'contents' }
  /**
   * One ratio (4096 / compressed size) for whatever is stored at a time, by points of ascending
   * simulated time in ns, straight lines between them. Pages keep the size that they were stored
   * with.
   */
  | { readonly kind: 'ratio'; readonly points: readonly RatioPoint[] }
  /** One of the recorded sizes in bytes, 0..4096, by a hash of the contents' name. */
  | { readonly kind: 'recorded'; readonly bytes: readonly number[]; readonly seed?: number };

/** A ratio of at least 1 at a time. */
export interface RatioPoint {
  readonly atNs: number;
  readonly ratio: number;
}

/** What sizes are made of. */
export interface SizeParts {
  readonly data: PageData;
  readonly clock: Clock;
  readonly codec: string;
  readonly blockBytes: number;
}

/** Compressed size of the contents named `key` now, in bytes; 0 for a page of zeros. */
export type SizeOf = (key: number) => number;
/** The same of each block, in the order of the page. */
export type BlocksOf = (key: number) => readonly number[];

/** The sizes of a source. */
export function sizesOf(source: SizeSource, parts: SizeParts): SizeOf {
  const { data, clock, codec, blockBytes } = parts;
  switch (source.kind) {
    case 'contents':
      return (key) => data.compressedSize(key, codec, blockBytes);
    case 'ratio':
      return () => Math.ceil(PAGE_SIZE / ratioAt(source.points, clock.now));
    case 'recorded': {
      const { bytes, seed = 1 } = source;
      return (key) => bytes[hash(key, seed) % bytes.length]!;
    }
  }
}

/** Sizes of blocks. A source that knows only pages has all blocks of a page alike, to a byte. */
export function blocksOf(source: SizeSource, parts: SizeParts): BlocksOf {
  const { data, codec, blockBytes } = parts;
  const count = PAGE_SIZE / blockBytes;
  const sizeOf = sizesOf(source, parts);
  const alike = (key: number): readonly number[] => {
    const bytes = sizeOf(key);
    return Array.from({ length: count }, (_, at) => Math.floor((bytes + at) / count));
  };
  if (source.kind !== 'contents') return alike;
  return (key) => data.blockSizes?.(key, codec, blockBytes) ?? alike(key);
}

const FIELDS: Readonly<Record<SizeSource['kind'], readonly string[]>> = {
  contents: [],
  ratio: ['points'],
  recorded: ['bytes', 'seed'],
};

/** @throws MmError DEVICE_BAD_OPTION */
export function checkSizes(check: OptionCheck, source: SizeSource): void {
  check.word('sizes.kind', source.kind, Object.keys(FIELDS));
  check.known(source, ['kind', ...FIELDS[source.kind]]);
  if (source.kind === 'ratio') {
    check.that(source.points.length > 0, 'sizes.points is empty');
    let before = -Infinity;
    for (const point of source.points) {
      check.known(point, ['atNs', 'ratio']);
      const { atNs, ratio } = point;
      check.number('sizes.points.atNs', atNs, [0, Number.MAX_VALUE]);
      check.that(atNs > before, `sizes.points.atNs is ${atNs}, not after ${before}`);
      check.number('sizes.points.ratio', ratio, [1, PAGE_SIZE]);
      before = atNs;
    }
  }
  if (source.kind === 'recorded') {
    check.that(source.bytes.length > 0, 'sizes.bytes is empty');
    for (const bytes of source.bytes) check.integer('sizes.bytes', bytes, [0, PAGE_SIZE]);
    check.integer('sizes.seed', source.seed ?? 1, SEEDS);
  }
}

function ratioAt(points: readonly RatioPoint[], nowNs: number): number {
  const next = points.findIndex(({ atNs }) => atNs > nowNs);
  const to = points[next === -1 ? points.length - 1 : next]!;
  if (next <= 0) return to.ratio;
  const from = points[next - 1]!;
  const part = (nowNs - from.atNs) / (to.atNs - from.atNs);
  return from.ratio + part * (to.ratio - from.ratio);
}

/** Two rounds of a multiplicative hash. */
function hash(key: number, seed: number): number {
  const mixed = Math.imul(key ^ seed, 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0;
}
