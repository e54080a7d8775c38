import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defineExperiment, mistakesOf } from '../../src/experiment/define-experiment.js';

const GOOD = {
  question: 'Does it work?',
  seed: 1,
  machine: { nodes: [{ id: 0, pages: 1024, cpus: 1 }] },
  workload: { trace: 'redis-kv' },
  variants: [{ name: 'all-dram', plugins: () => [] }],
};

test('a good experiment gets its defaults', () => {
  expect(defineExperiment(GOOD)).toMatchObject({
    kind: 'mm-lab experiment',
    params: {},
    claims: [],
    columns: [],
  });
});

test('each mistake is one sentence that names the field', () => {
  const mistakes = mistakesOf({
    ...GOOD,
    question: '',
    seed: -1,
    machine: { nodes: [] },
    workload: { trace: 'redis-kv', page: 'x' },
    variants: [
      { name: 'Big Name', plugins: () => [] },
      { name: 'twice', plugins: [] },
      { name: 'twice', plugins: () => [] },
      { name: 'oracle', kind: 'oracle', plugins: () => [] },
    ],
    claim: [],
  });
  expect(mistakes).toMatchInlineSnapshot(`
    [
      "question: must say something",
      "seed: Too small: expected number to be >=0",
      "machine.nodes: must have a node",
      "workload: Unrecognized key: "page"",
      "variants[0].name: must be lower-case letters, digits and hyphens, as in \`zone-device\`",
      "variants[1].plugins: must be a function",
      "variants[3].oracle: must be given for a variant of kind \`oracle\`",
      "Unrecognized key: "claim"",
    ]
  `);
});

test('no value makes the check itself throw', () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(mistakesOf(value)).not.toEqual([]);
    }),
  );
});

test('changing any one field to rubbish is noticed, and told in one line', () => {
  const field = fc.constantFrom('question', 'seed', 'machine', 'workload', 'variants', 'claims');
  const rubbish = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.double({ max: -1 }),
    fc.constant([]),
  );
  fc.assert(
    fc.property(field, rubbish, (name, value) => {
      // No claims at all is fine.
      fc.pre(!(name === 'claims' && Array.isArray(value)));
      const mistakes = mistakesOf({ ...GOOD, [name]: value });
      expect(mistakes.length).toBeGreaterThan(0);
      for (const mistake of mistakes) expect(mistake).not.toMatch(/\n/);
    }),
  );
});
