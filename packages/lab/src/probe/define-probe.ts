import { z } from 'zod';
import { LabError } from '../error/lab-error.js';
import { mistakesIn } from '../experiment/define-experiment.js';
import { claimsShape, fn, nameShape, paramsShape, seedShape, text } from '../experiment/shapes.js';
import type { Probe, ProbeDefinition } from './probe.js';

const schema = z.strictObject({
  name: nameShape.optional(),
  question: text,
  seed: seedShape,
  params: paramsShape.optional(),
  probe: fn,
  claims: claimsShape.optional(),
});

/**
 * Checks a probe and fills in what was left out. The default export of a probe's file.
 *
 * @throws LabError EXPERIMENT_INVALID, with one sentence for each mistake
 */
export function defineProbe(definition: ProbeDefinition): Probe {
  const mistakes = mistakesIn(schema, definition);
  if (mistakes.length > 0) throw new LabError('EXPERIMENT_INVALID', mistakes.join('; '));
  return {
    ...definition,
    kind: 'mm-lab probe',
    params: definition.params ?? {},
    claims: definition.claims ?? [],
  };
}
