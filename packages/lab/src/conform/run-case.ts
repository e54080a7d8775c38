import { differences } from './compare.js';
import type { ConformCase, RecordCase, ScenarioCase, SyscallCase } from './conform-case.js';
import type { Finding, Outcome } from './outcome.js';
import { type RecordRun, stepsJson } from './record-run.js';
import { messageFor, runRecordCase } from './run-record.js';
import { runSyscallCase } from './run-syscall.js';
import { runScenario } from './scenario/run-scenario.js';

/** Runs one case and judges it. What the model throws fails the case, not the run. */
export function runCase(found: ConformCase): Outcome {
  const begin = performance.now();
  const outcome = outcomeOf(found);
  return { ...outcome, ms: performance.now() - begin };
}

function outcomeOf(found: ConformCase): Outcome {
  const { id, family } = found;
  if (found.kind === 'skipped') return skipped(id, family, found.reason);
  try {
    if (found.kind === 'scenario') return judgeScenario(found);
    return found.kind === 'record' ? judgeRecord(found) : judgeSyscall(found);
  } catch (error) {
    const finding = broken('', messageFor(error));
    return { id, family, verdict: 'failed', findings: [finding], steps: [], ms: 0 };
  }
}

function judgeRecord(found: RecordCase): Outcome {
  const { id, family, kase, record } = found;
  const run = runRecordCase(found);
  const { notes, steps } = run;
  if (record === null) return { ...skipped(id, family, 'nobody recorded it'), steps };
  const findings = findingsOf(found, run, { kase });
  const verdict = findings.length === 0 ? 'passed' : 'failed';
  return { id, family, verdict, notes, findings, steps, ms: 0 };
}

/** Why it stopped comes first; what is only missing because of that is not told again. */
function findingsOf({ record }: RecordCase, run: RecordRun, { kase }: Pick<RecordCase, 'kase'>) {
  const { stopped, steps } = run;
  const found = differences(kase, record, { steps: stepsJson(steps) });
  const told = stopped === undefined ? found : found.filter(({ step }) => step < stopped.step);
  const findings: Finding[] = told.map(({ step, op, field, kernel, model }) => ({
    step: `${step} ${op}`,
    field,
    kernel,
    model,
  }));
  if (stopped !== undefined) {
    findings.unshift(broken(`${stopped.step} ${stopped.op}`, stopped.message));
  }
  return findings;
}

function judgeSyscall(found: SyscallCase): Outcome {
  const { id, family } = found;
  const { findings, steps } = runSyscallCase(found);
  const verdict = findings.length === 0 ? 'passed' : 'failed';
  return { id, family, verdict, findings, steps, ms: 0 };
}

function judgeScenario(found: ScenarioCase): Outcome {
  const { id, family } = found;
  const { findings, steps } = runScenario(found);
  const verdict = findings.length === 0 ? 'passed' : 'failed';
  return { id, family, verdict, findings, steps, ms: 0 };
}

/** A finding that is not a difference of two values. */
export function broken(step: string, message: string): Finding {
  return { step, field: '', kernel: undefined, model: undefined, message };
}

function skipped(id: string, family: string, reason: string): Outcome {
  return { id, family, verdict: 'skipped', reason, findings: [], steps: [], ms: 0 };
}
