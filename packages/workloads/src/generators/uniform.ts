import type { PageTrace } from '../trace/page-trace.js';
import { checkGenerator, type GeneratorOptions, generate } from './generator-options.js';

/**
 * Independent references, each page as likely as any other.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function uniformTrace(options: GeneratorOptions): PageTrace {
  checkGenerator(options);
  const { pages } = options;
  return generate(options, { name: 'uniform', drawPage: (prng) => prng.below(pages) });
}
