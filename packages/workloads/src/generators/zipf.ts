import { Prng } from '@mm-lab/mm-core';
import { checkRange } from '../trace/check-option.js';
import type { PageTrace } from '../trace/page-trace.js';
import { checkGenerator, type GeneratorOptions, generate, shuffled } from './generator-options.js';

/** Options of `zipfTrace`. */
export interface ZipfOptions extends GeneratorOptions {
  /** Exponent: the page of rank k is drawn with a chance in proportion to 1 / k^alpha; 0 to 8. */
  readonly alpha: number;
  /** `shuffled` (default) scatters hot pages over the memory, `ranked` puts them in front. */
  readonly layout?: 'shuffled' | 'ranked';
}

/**
 * Independent references with Zipf popularity. Exact: the inverse of the whole cumulative
 * distribution, with no approximation.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function zipfTrace(options: ZipfOptions): PageTrace {
  checkGenerator(options);
  checkRange({ name: 'alpha', value: options.alpha, min: 0, max: 8 });
  const { pages, alpha, layout = 'shuffled' } = options;
  const rank = new ZipfRank(pages, alpha);
  const order =
    layout === 'shuffled' ? shuffled(pages, new Prng(options.seed ^ 0x5a697066)) : undefined;
  return generate(options, {
    name: `zipf-${alpha}`,
    drawPage: (prng) => {
      const drawn = rank.draw(prng.unit());
      return order === undefined ? drawn : order[drawn]!;
    },
  });
}

/**
 * Ranks by their cumulative chance, with a guide table so that a draw looks at about two of them.
 */
export class ZipfRank {
  private readonly cumulative: Float64Array;
  /** Element g is the first rank whose cumulative chance exceeds g / (length - 1). */
  private readonly guide: Int32Array;

  /** @param count number of ranks, at least 1 */
  constructor(count: number, alpha: number) {
    this.cumulative = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += 1 / (i + 1) ** alpha;
      this.cumulative[i] = sum;
    }
    for (let i = 0; i < count; i++) this.cumulative[i] = this.cumulative[i]! / sum;
    this.cumulative[count - 1] = 1;
    const steps = 2 ** Math.min(20, Math.ceil(Math.log2(count)) + 2);
    this.guide = new Int32Array(steps);
    let rank = 0;
    for (let g = 0; g < steps; g++) {
      while (this.cumulative[rank]! <= g / steps) rank++;
      this.guide[g] = rank;
    }
  }

  /** The rank (0 is the most popular) at the cumulative chance `unit`, in [0, 1). */
  draw(unit: number): number {
    let rank = this.guide[Math.floor(unit * this.guide.length)]!;
    while (this.cumulative[rank]! <= unit) rank++;
    return rank;
  }
}
