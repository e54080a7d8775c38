import type { Backend, ScenarioCase } from '../conform-case.js';
import { isArray, isObject, type Json, type JsonObject, objectAt } from '../json.js';
import type { Finding, StepAnswer } from '../outcome.js';
import { evaluate } from './expression.js';
import { scenarioMachine } from './scenario-machine.js';
import { ScenarioRun } from './scenario-run.js';

/** Runs a scenario in one variant, once for each combination of its parameters. */
export function runScenario({ kase, variant, backend }: ScenarioCase): {
  readonly findings: readonly Finding[];
  readonly steps: readonly StepAnswer[];
} {
  const scenario = isObject(kase) ? kase : {};
  const findings: Finding[] = [];
  const steps: StepAnswer[] = [];
  for (const params of combinations(objectAt(scenario, 'params'))) {
    const run = runOnce(scenario, variant, backend, params);
    findings.push(...run.findings);
    steps.push(...run.answers);
  }
  return { findings, steps };
}

function runOnce(
  scenario: JsonObject,
  variant: string,
  backend: Backend,
  params: Readonly<Record<string, number>>,
): ScenarioRun {
  const run = new ScenarioRun(scenarioMachine(backend), scenario, { variant, params });
  run.run();
  return run;
}

/** Every combination of the parameters that are lists; sizes may be expressions in PMD and PAGE. */
function combinations(params: JsonObject): readonly Readonly<Record<string, number>>[] {
  let found: Record<string, number>[] = [{}];
  for (const [name, values] of Object.entries(params)) {
    if (!isArray(values)) continue;
    found = found.flatMap((known) => values.map((value) => ({ ...known, [name]: sizeOf(value) })));
  }
  return found;
}

const PAGE = 4096;

function sizeOf(value: Json): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  return evaluate(String(value), (name) => SIZES[name]);
}

const SIZES: Readonly<Record<string, number>> = { PAGE, PMD: 512 * PAGE, BUF: 1024 * PAGE };
