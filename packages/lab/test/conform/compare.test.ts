import { readdirSync, readFileSync } from 'node:fs';
import { Prng } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
// @ts-expect-error the rule as it came with the records, in plain JavaScript
import { differences as rule } from '../../../../conformance/cases/compare.mjs';
import { differences } from '../../src/conform/compare.js';
import { isArray, isObject, type Json, listAt, parseJson, textAt } from '../../src/conform/json.js';

const SET = new URL('../../../../conformance/cases/kernel-records/', import.meta.url);

interface Pair {
  readonly what: string;
  /** The step under test: its fields, what the kernel said, what the model says. */
  readonly step: Json;
  readonly kernel: Json;
  readonly model: Json | undefined;
  readonly record?: Json;
  /** Is there a difference? */
  readonly differs: boolean;
}

const PAIRS: readonly Pair[] = [
  pair('equal', { op: 'where' }, { nodes: [[0, 4]], by_node: { 0: 4 } }, undefined, false),
  pair('another node', { op: 'where' }, { nodes: [[0, 4]] }, { nodes: [[1, 4]] }, true),
  pair('a step that is missing', { op: 'mmap' }, { ret: 0 }, null, true),
  pair('an errno that is another', { op: 'mmap' }, failed('EINVAL'), failed('ENOMEM'), true),
  pair('a failure that the kernel did not have', { op: 'mmap' }, { ret: 0 }, failed('E2BIG'), true),
  pair('one more minor fault', { op: 'touch' }, { minflt: 4 }, { minflt: 5 }, false),
  pair('two more minor faults', { op: 'touch' }, { minflt: 4 }, { minflt: 6 }, true),
  pair('one more major fault', { op: 'touch' }, { majflt: 4 }, { majflt: 5 }, true),
  pair('more pages that did not move', { op: 'migrate_pages' }, { ret: 2 }, { ret: 0 }, false),
  pair('a failure to move', { op: 'migrate_pages' }, { ret: 0 }, failed('EPERM'), true),
  pair('a batch of charges', { op: 'cg_read' }, { value: '65536' }, { value: '0' }, false),
  pair('more than a batch', { op: 'cg_read' }, { value: '65537' }, { value: '0' }, true),
  pair('free pages of a zone', { op: 'zoneinfo' }, { DMA: { free: 1 } }, { DMA: {} }, false),
  pair('a mark of a zone', { op: 'zoneinfo' }, { DMA: { min: 1 } }, { DMA: { min: 2 } }, true),
  pair('buddy lists', { op: 'buddyinfo' }, { DMA: [1, 2] }, {}, false),
  pair('a noisy counter', { op: 'vmstat_end' }, { pgfault: 9 }, {}, false),
  pair('a clean counter', { op: 'vmstat_end' }, { oom_kill: 0 }, {}, true),
  pair('a field beside the record', { op: 'where' }, { ret: 0 }, { ret: 0, more: 1 }, false),
  pair('a death', { op: 'touch' }, { ok: 1 }, { ok: 1, died: { signal: 'SIGKILL' } }, true),
  {
    ...pair('an amount that varies', { op: 'where' }, { by_node: { 0: 900 } }, by(836), false),
    record: { amounts_vary: true },
  },
  {
    ...pair('one that varies too much', { op: 'where' }, { by_node: { 0: 900 } }, by(700), true),
    record: { amounts_vary: true },
  },
  {
    ...pair('what was unstable', { op: 'where' }, { by_node: { 0: 9 } }, by(1), false),
    record: { unstable: { '/steps/0/by_node': [1, 2] } },
  },
];

function pair(what: string, step: Json, kernel: Json, model: Json | undefined, differs: boolean) {
  return { what, step, kernel, model: model === undefined ? kernel : model, differs };
}

function failed(errno: string): Json {
  return { ret: -1, errno };
}

function by(pages: number): Json {
  return { by_node: { 0: pages } };
}

describe('a model passes where the rule of the records says so', () => {
  test.for(PAIRS)('$what', ({ step, kernel, model, record, differs }) => {
    const kase: Json = { steps: [step] };
    const op = textAt(step, 'op');
    const recorded: Json = { ...(isObject(record) ? record : {}), steps: [{ op, result: kernel }] };
    const answer: Json = {
      steps: model === undefined || model === null ? [] : [{ op, result: model }],
    };
    const found = differences(kase, recorded, answer);
    expect(found.length > 0).toBe(differs);
    expect(found).toEqual(rule(kase, recorded, answer));
  });
});

describe('answers that are a record with something changed', () => {
  const folder = new URL('records/7.3.4/', SET);
  const families = readdirSync(folder).filter((name) => !name.startsWith('_'));
  test.for(families)('%s', (name) => {
    const prng = new Prng(families.indexOf(name) + 1);
    const cases = new Map(entries(new URL(`cases/${name}`, SET)).map((c) => [textAt(c, 'id'), c]));
    for (const record of entries(new URL(name, folder))) {
      const kase = cases.get(textAt(record, 'id')) ?? null;
      expect(differences(kase, record, record)).toEqual([]);
      for (let round = 0; round < 8; round++) {
        const answer: Json = { steps: listAt(record, 'steps').map((step) => changed(step, prng)) };
        expect(differences(kase, record, answer)).toEqual(rule(kase, record, answer));
      }
    }
  });
});

function entries(file: URL): readonly Json[] {
  const content = parseJson(readFileSync(file, 'utf8'));
  return isArray(content) ? content : [];
}

/** Now and then a leaf is another, or a member is gone. */
function changed(value: Json, prng: Prng): Json {
  if (isArray(value)) return value.map((item) => changed(item, prng));
  if (isObject(value)) {
    const kept = Object.entries(value).filter(([key]) => key === 'op' || prng.below(24) > 0);
    return Object.fromEntries(
      kept.map(([key, item]) => [key, key === 'op' ? item : changed(item, prng)]),
    );
  }
  if (prng.below(8) > 0) return value;
  if (typeof value === 'number') return value + prng.below(200) - 100;
  return prng.below(2) === 0 ? null : `${value}1`;
}
