import { checkCount, checkRange } from '../trace/check-option.js';
import type { PageTrace } from '../trace/page-trace.js';
import { checkGenerator, type GeneratorOptions, generate } from './generator-options.js';

/** Options of `phasedTrace`. */
export interface PhasedOptions extends GeneratorOptions {
  /** Number of phases, equally long; at most `rows`. */
  readonly phases: number;
  /** Pages of a phase's hot set, 1 to `pages`. */
  readonly hotPages: number;
  /**
   * Share of the accesses that goes to the hot set, 0 to 1; the others go anywhere. Default 0.9.
   */
  readonly hotAccesses?: number;
  /**
   * Pages by which the hot set moves from a phase to the next (around the end); default `hotPages`.
   */
  readonly shift?: number;
}

/**
 * Phases with a moving hot set: a window of pages that is uniform inside and moves on at each
 * phase.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function phasedTrace(options: PhasedOptions): PageTrace {
  checkGenerator(options);
  const { rows, pages, phases, hotPages, hotAccesses = 0.9, shift = hotPages } = options;
  checkCount({ name: 'phases', value: phases, max: rows });
  checkCount({ name: 'hotPages', value: hotPages, max: pages });
  checkCount({ name: 'shift', value: shift, min: 0, max: pages });
  checkRange({ name: 'hotAccesses', value: hotAccesses, min: 0, max: 1 });
  return generate(options, {
    name: 'phases',
    drawPage: (prng, row) => {
      if (!prng.chance(hotAccesses)) return prng.below(pages);
      const phase = Math.floor((row * phases) / rows);
      return (phase * shift + prng.below(hotPages)) % pages;
    },
  });
}
