import {
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  PAGE_SIZE,
  PageData,
  type Plugin,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type AdmissionFilter, AdmissionFilterToken } from './admission-filter.js';
import { type PageContents, PageContentsToken } from './page-contents.js';

/** A sample of 16 bytes is taken every so many (fs/btrfs/compression.c: SAMPLING_INTERVAL). */
const SAMPLING_INTERVAL = 256;
const SAMPLING_READ_SIZE = 16;
/** Fewer different bytes than this: it shrinks (BTRFS_HEURISTIC byte set threshold). */
const BYTE_SET_THRESHOLD = 64;
/** Bytes that make up 90 % of the sample: so few and it shrinks, so many and it does not. */
const CORE_SET_LOW = 64;
const CORE_SET_HIGH = 200;
/** Per cent of the entropy that a byte can have: up to here it shrinks. */
const ENTROPY_LEVEL_OK = 65;
/** To read the samples of a page: a line of DRAM each. */
const SAMPLES_NS = (PAGE_SIZE / SAMPLING_INTERVAL) * 10;

/**
 * Looks at a few bytes of a page, as btrfs does before it compresses: different bytes, how many of
 * them make up most, entropy. It knows no codec and is wrong now and then, in both directions.
 */
@injectable()
export class SampledEstimate implements AdmissionFilter {
  private readonly page = new Uint8Array(PAGE_SIZE);
  private readonly verdicts = new Map<number, boolean>();
  private admitted = 0;
  private rejected = 0;

  constructor(
    @inject(PageData) private readonly data: PageData,
    @inject(PageContentsToken) private readonly contents: PageContents,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** A large folio is judged by its first page. */
  admits(folio: number): boolean {
    this.work.charge(SAMPLES_NS);
    const fits = this.verdictOf(this.contents.keyOf(folio));
    if (fits) this.admitted += this.table.nrPages(folio);
    else this.rejected += this.table.nrPages(folio);
    return fits;
  }

  stats(): Readonly<Record<string, number>> {
    return { 'cram.admitted': this.admitted, 'cram.rejected': this.rejected };
  }

  private verdictOf(key: number): boolean {
    if (key === 0) return true;
    const known = this.verdicts.get(key);
    if (known !== undefined) return known;
    this.data.render(key, this.page);
    const verdict = looksCompressible(this.page);
    this.verdicts.set(key, verdict);
    return verdict;
  }
}
/** Plugin: pages of which a sample looks incompressible do not come in. */
export function sampledEstimate(): Plugin {
  return {
    name: 'sampled-estimate',
    register: (services) => services.bind(AdmissionFilterToken, SampledEstimate),
    stats(services) {
      const filter = services.get(AdmissionFilterToken);
      return filter instanceof SampledEstimate ? filter.stats() : {};
    },
  };
}

/** Does a sample of the bytes look as if they shrink? */
export function looksCompressible(bytes: Uint8Array): boolean {
  const counts = new Array<number>(256).fill(0);
  let total = 0;
  for (let at = 0; at + SAMPLING_READ_SIZE <= bytes.length; at += SAMPLING_INTERVAL) {
    for (const byte of bytes.subarray(at, at + SAMPLING_READ_SIZE)) {
      counts[byte] = (counts[byte] ?? 0) + 1;
      total++;
    }
  }
  const sorted = counts.filter((count) => count > 0).sort((a, b) => b - a);
  if (sorted.length < BYTE_SET_THRESHOLD) return true;
  const core = coreSet(sorted, total);
  if (core <= CORE_SET_LOW) return true;
  if (core >= CORE_SET_HIGH) return false;
  return entropyPercent(sorted, total) <= ENTROPY_LEVEL_OK;
}

/** Bytes, the most frequent first, that make up 90 % of the sample. */
function coreSet(sorted: readonly number[], total: number): number {
  let sum = 0;
  for (const [at, count] of sorted.entries()) {
    sum += count;
    if (sum >= total * 0.9) return at + 1;
  }
  return sorted.length;
}

function entropyPercent(counts: readonly number[], total: number): number {
  const bits = counts.reduce((sum, count) => sum - (count / total) * Math.log2(count / total), 0);
  return (100 * bits) / 8;
}
