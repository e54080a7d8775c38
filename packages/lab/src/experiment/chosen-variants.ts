import { LabError } from '../error/lab-error.js';
import type { VariantDefinition } from './experiment.js';
import type { NamedExperiment } from './load-experiment.js';

/**
 * The variants of these names in the experiment's order; all of them for no names.
 *
 * @throws LabError VARIANT_UNKNOWN
 */
export function chosenVariants(
  experiment: NamedExperiment,
  names: readonly string[],
): readonly VariantDefinition[] {
  const known = experiment.variants.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const what = `${experiment.name} has no variant ${JSON.stringify(name)}`;
    throw new LabError('VARIANT_UNKNOWN', what, { hint: `it has ${known.join(', ')}` });
  }
  if (names.length === 0) return experiment.variants;
  return experiment.variants.filter(({ name }) => names.includes(name));
}
