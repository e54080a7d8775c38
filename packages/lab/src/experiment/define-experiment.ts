import { z } from 'zod';
import { LabError } from '../error/lab-error.js';
import type { Experiment, ExperimentDefinition } from './experiment.js';
import { claimsShape, fn, nameShape, paramsShape, seedShape, text } from './shapes.js';

const path = z.string().min(1, 'must name a file').max(4096);
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
    name: nameShape,
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
  name: nameShape.optional(),
  question: text,
  seed: seedShape,
  params: paramsShape.optional(),
  machine: z.looseObject({ nodes: z.array(z.looseObject({})).min(1, 'must have a node') }),
  workload,
  variants: z.array(variant).min(1, 'must have a variant').check(uniqueNames),
  report: z.strictObject({ columns: z.array(z.string().min(1)).optional() }).optional(),
  claims: claimsShape.optional(),
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
  return mistakesIn(schema, definition);
}

/** The same for any shape. */
export function mistakesIn(shape: z.ZodType, definition: unknown): readonly string[] {
  const checked = shape.safeParse(definition);
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
