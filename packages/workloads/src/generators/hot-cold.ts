import { checkRange } from '../trace/check-option.js';
import type { PageTrace } from '../trace/page-trace.js';
import { checkGenerator, type GeneratorOptions, generate } from './generator-options.js';

/** Options of `hotColdTrace`. */
export interface HotColdOptions extends GeneratorOptions {
  /** Share of the pages that is hot, 0 to 1, but at least one page. They come first. */
  readonly hotPages: number;
  /** Share of the accesses that goes to hot pages, 0 to 1. */
  readonly hotAccesses: number;
  /** Chance that an access to a hot page is a store; default `writeShare`. */
  readonly hotWriteShare?: number;
  /** Chance that an access to a cold page is a store; default `writeShare`. */
  readonly coldWriteShare?: number;
}

/**
 * Independent references to a hot and a cold set, uniform within each, each with its own share of
 * stores.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function hotColdTrace(options: HotColdOptions): PageTrace {
  checkGenerator(options);
  const { pages, hotPages, hotAccesses, writeShare = 0.3 } = options;
  const { hotWriteShare = writeShare, coldWriteShare = writeShare } = options;
  checkRange({ name: 'hotPages', value: hotPages, min: 0, max: 1 });
  checkRange({ name: 'hotAccesses', value: hotAccesses, min: 0, max: 1 });
  checkRange({ name: 'hotWriteShare', value: hotWriteShare, min: 0, max: 1 });
  checkRange({ name: 'coldWriteShare', value: coldWriteShare, min: 0, max: 1 });
  const hot = Math.max(1, Math.round(pages * hotPages));
  const cold = pages - hot;
  return generate(options, {
    name: 'hot-cold',
    drawPage: (prng) => {
      const isHot = prng.chance(hotAccesses) || cold === 0;
      return isHot ? prng.below(hot) : hot + prng.below(cold);
    },
    drawWrite: (prng, page) => prng.chance(page < hot ? hotWriteShare : coldWriteShare),
  });
}
