import { checkRange } from '../trace/check-option.js';
import { hash32, hashUnit } from './hash.js';

/** Compression ratios (4096 / compressed size) over the pages of a workload. */
export type RatioDistribution =
  /** Every page the same. */
  | { readonly kind: 'fixed'; readonly ratio: number }
  /** ln(ratio) is normal with the standard deviation `sigma` around ln(median). */
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number }
  /** A share `lowShare` of the pages has the ratio `low`, the others `high`. */
  | {
      readonly kind: 'bimodal';
      readonly low: number;
      readonly high: number;
      readonly lowShare: number;
    };

/**
 * Ratios outside 1 (stored raw) to this are cut; it is about what repeated text reaches with lz4.
 */
export const RATIO_MAX = 40;

/**
 * Checks a distribution.
 *
 * @throws TraceError TRACE_BAD_OPTION for a ratio outside 1..40, a share outside 0..1, a sigma
 *   outside 0..4
 */
export function checkDistribution(distribution: RatioDistribution): void {
  const ratio = (name: string, value: number) =>
    checkRange({ name, value, min: 1, max: RATIO_MAX });
  switch (distribution.kind) {
    case 'fixed':
      ratio('ratio', distribution.ratio);
      return;
    case 'lognormal':
      ratio('median', distribution.median);
      checkRange({ name: 'sigma', value: distribution.sigma, min: 0, max: 4 });
      return;
    case 'bimodal':
      ratio('low', distribution.low);
      ratio('high', distribution.high);
      checkRange({ name: 'lowShare', value: distribution.lowShare, min: 0, max: 1 });
  }
}

/** The ratio of page number `page`: the same for the same seed, independent between pages. */
export function ratioOf(distribution: RatioDistribution, seed: number, page: number): number {
  switch (distribution.kind) {
    case 'fixed':
      return distribution.ratio;
    case 'bimodal':
      return hashUnit(seed, page) < distribution.lowShare ? distribution.low : distribution.high;
    case 'lognormal': {
      const ratio = distribution.median * Math.exp(distribution.sigma * normal(seed, page));
      return Math.min(RATIO_MAX, Math.max(1, ratio));
    }
  }
}

/** A standard normal number from two hashes (Box and Muller). */
function normal(seed: number, page: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - hashUnit(seed, page)));
  return radius * Math.cos(2 * Math.PI * hashUnit(hash32(seed, 0x6e6f726d), page));
}
