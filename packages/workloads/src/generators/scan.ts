import type { PageTrace } from '../trace/page-trace.js';
import { checkGenerator, type GeneratorOptions, generate } from './generator-options.js';

/**
 * A cyclic sequential scan: pages 0, 1 … pages - 1 and again from 0, until `rows` are there. LRU
 * with fewer frames than pages misses on every row.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function scanTrace(options: GeneratorOptions): PageTrace {
  checkGenerator(options);
  const { pages } = options;
  return generate(options, { name: 'scan', drawPage: (_prng, row) => row % pages });
}
