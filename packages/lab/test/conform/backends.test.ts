import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/conform/conform-case.js';
import { isArray, isObject, type Json, listAt, parseJson, textAt } from '../../src/conform/json.js';
import { runScenario } from '../../src/conform/scenario/run-scenario.js';

const FOLDER = new URL('../../../../conformance/', import.meta.url);
/** Round trips of up to 256 MiB: minutes, so they run with `mm-lab conform` only. */
const SLOW = 'benchmark_thp_migration';

function read(name: string): Json {
  return parseJson(readFileSync(new URL(name, FOLDER), 'utf8'));
}

const SCENARIOS = ['cases/hmm-tests/hmm-tests-cases.json', 'asked-hmm-tests/cases/hmm-tests.json']
  .map(read)
  .flatMap((found) => (isArray(found) ? found : []));

/** Scenarios that fail on a backend, in the variants of one kind. */
function failing(backend: Backend, kind: 'private' | 'coherent'): readonly string[] {
  const failed: string[] = [];
  for (const kase of SCENARIOS) {
    const id = textAt(kase, 'name');
    const variant = listAt(kase, 'variants').find((name) => String(name).endsWith(kind));
    if (id === SLOW || typeof variant !== 'string') continue;
    const run = runScenario({ kind: 'scenario', id, family: 'hmm-tests', kase, variant, backend });
    if (run.findings.length > 0) failed.push(`${id}/${kind}`);
  }
  return failed.sort();
}

describe('the kernel’s HMM self-test', { timeout: 240_000 }, () => {
  test('passes on ZONE_DEVICE, private and coherent', () => {
    const failed = [...failing('zone-device', 'private'), ...failing('zone-device', 'coherent')];
    expect(failed).toEqual([]);
  });

  test('passes on a private node but for what the list says, each with its reason', () => {
    const gaps = read('device-coherent-gaps.json');
    const listed = isObject(gaps) ? Object.keys(gaps).sort() : [];
    expect(failing('device-coherent', 'coherent')).toEqual(listed);
  });
});
