import { z } from 'zod';
import { LabError } from '../error/lab-error.js';
import type { Experiment, ExperimentDefinition } from './experiment.js';

const NAME = /^[a-z0-9][a-z0-9-]*$/;
const SEED_MAX = 2 ** 31 - 1;

const name = z
  .string()
  .max(60)
  .regex(NAME, 'must be lower-case letters, digits and hyphens, as in `zone-device`');
const text = z.string().min(1, 'must say something').max(2000);
const path = z.string().min(1, 'must name a file').max(4096);
const fn = z.custom((value) => typeof value === 'function', 'must be a function');
const limits = {
  limitRows: z.int().min(1).optional(),
  scale: z.number().gt(0).max(1).optional(),
};

const workload = z.union(
  [
    z.strictObject({
      trace: path,
      pages: path.optional(),
      sizes: path.optional(),
      events: path.optional(),
      ...limits,
    }),
    z.strictObject({
      generator: z.string().min(1),
      options: z.record(z.string(), z.unknown()).optional(),
      ...limits,
    }),
    fn,
  ],
  'must be { trace, … } or { generator, … } with known fields, or a function of the parameters',
);

const oracle = z.strictObject({
  nearPages: z.int().min(1),
  nearLineNs: z.number().gt(0),
  farLineNs: z.number().gt(0),
  copyNs: z.number().min(0),
});

const variant = z
  .strictObject({
    name,
    title: text.optional(),
    kind: z.enum(['machine', 'oracle']).optional(),
    bound: z.boolean().optional(),
    machine: z.union([z.looseObject({}), fn], 'must be fields of a machine').optional(),
    plugins: fn,
    oracle: z.union([oracle, fn]).optional(),
  })
  .refine((value) => value.kind !== 'oracle' || value.oracle !== undefined, {
    path: ['oracle'],
    message: 'must be given for a variant of kind `oracle`',
  });

const schema = z.strictObject({
  name: name.optional(),
  question: text,
  seed: z.int().min(0).max(SEED_MAX),
  params: z.record(z.string(), z.number()).optional(),
  machine: z.looseObject({ nodes: z.array(z.looseObject({})).min(1, 'must have a node') }),
  workload,
  variants: z.array(variant).min(1, 'must have a variant').check(uniqueNames),
  report: z.strictObject({ columns: z.array(z.string().min(1)).optional() }).optional(),
  claims: z.array(z.strictObject({ text, holds: fn })).optional(),
  figures: fn.optional(),
});

/**
 * Checks an experiment and fills in what was left out. The default export of an experiment's file.
 *
 * @throws LabError EXPERIMENT_INVALID, with one sentence for each mistake
 */
export function defineExperiment(definition: ExperimentDefinition): Experiment {
  const mistakes = mistakesOf(definition);
  if (mistakes.length > 0) {
    throw new LabError('EXPERIMENT_INVALID', mistakes.join('; '), {
      hint: mistakes.length === 1 ? 'fix this field' : `fix these ${mistakes.length} fields`,
    });
  }
  return {
    ...definition,
    kind: 'mm-lab experiment',
    params: definition.params ?? {},
    claims: definition.claims ?? [],
    columns: definition.report?.columns ?? [],
  };
}

/** One line for each mistake: the field, what it must be. Empty for a good definition. */
export function mistakesOf(definition: unknown): readonly string[] {
  const checked = schema.safeParse(definition);
  if (checked.success) return [];
  return checked.error.issues.map((issue) => {
    const where = fieldOf(issue.path);
    return where === '' ? issue.message : `${where}: ${issue.message}`;
  });
}

function fieldOf(steps: readonly PropertyKey[]): string {
  let field = '';
  for (const step of steps) {
    field += typeof step === 'number' ? `[${step}]` : `${field === '' ? '' : '.'}${String(step)}`;
  }
  return field;
}

function uniqueNames(context: z.core.ParsePayload<readonly { readonly name: string }[]>): void {
  const seen = new Set<string>();
  for (const [index, { name: given }] of context.value.entries()) {
    if (seen.has(given)) {
      context.issues.push({
        code: 'custom',
        message: `two variants are called ${given}`,
        input: given,
        path: [index, 'name'],
      });
    }
    seen.add(given);
  }
}
