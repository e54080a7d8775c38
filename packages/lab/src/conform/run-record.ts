import { MmError } from '@mm-lab/mm-core';
import { type BootPast, withBootPast } from './boot-past.js';
import { bootGuest } from './booted.js';
import type { RecordCase } from './conform-case.js';
import { deathOf, type Guest } from './guest.js';
import { isObject, type Json, type JsonObject, listAt } from './json.js';
import { ANY_STEP, type Op, RANGE } from './ops/op.js';
import { OPS } from './ops/registry.js';
import type { StepAnswer } from './outcome.js';
import type { RecordRun } from './record-run.js';
import { Endless, Step, StepError } from './step.js';

/** After so long the recorder kills a task whose step does not end, unless the step says. */
const TIMEOUT_MS = 60_000;

/** What a step takes on the guest: enough for background work to catch up. */
const STEP_MS = 2;

/** Runs the steps of a recorded case on a machine as its boot left it. */
export function runRecordCase(found: RecordCase): RecordRun {
  return withBootPast(found, (past) => runAfter(found, past));
}

function runAfter(found: RecordCase, past: BootPast): RecordRun {
  const guest = past.cases.reduce<Guest>(afterCase, bootGuest(found));
  guest.haveHadPast(past);
  return runSteps(found.kase, guest);
}

/** An earlier case of the boot, and what the recorder puts back after it. */
function afterCase(guest: Guest, kase: Json): Guest {
  runSteps(kase, guest);
  return guest.afterCase(kase);
}

function runSteps(kase: Json, guest: Guest): RecordRun {
  guest.spawn('p0');
  const steps: StepAnswer[] = [];
  const notes = guest.bootNotes;
  for (const [at, fields] of listAt(kase, 'steps').entries()) {
    const step = new Step(isObject(fields) ? fields : {});
    try {
      steps.push({ op: step.op, result: perform(step, guest) });
    } catch (error) {
      return { notes, steps, stopped: { step: at, op: step.op, message: messageFor(error) } };
    }
    guest.sleep(STEP_MS);
  }
  return { notes, steps };
}

function perform(step: Step, guest: Guest): JsonObject {
  const op = Object.hasOwn(OPS, step.op) ? OPS[step.op] : undefined;
  if (op === undefined) throw new StepError(`unknown op ${step.op}`);
  checkFields(step, op);
  if (op.acts === 'machine') {
    guest.runAsDriver();
    return op.run(step, guest);
  }
  const task = guest.find(step.text('p', 'p0'));
  if (task === undefined) return { error: 'no task' };
  if (task.death !== null) return { error: 'task is dead' };
  // A task that died in a step of the recorder itself is missed only now.
  guest.reap();
  if (task.death !== null) return deathOf(task.death);
  try {
    const result = op.run(step, task, guest);
    guest.reap();
    return task.death === null ? result : deathOf(task.death);
  } catch (error) {
    if (!isEndless(error)) throw error;
    guest.sleep(step.int('timeout_ms', TIMEOUT_MS));
    guest.kill(task);
    return { error: 'timeout' };
  }
}

/** A call that does not return, or an access that faults again and again. */
function isEndless(error: unknown): boolean {
  return error instanceof Endless || (error instanceof MmError && error.code === 'ACCESS_LIVELOCK');
}

function checkFields(step: Step, op: Op): void {
  // The recorder looks for a range in every step of a task, and uses it where there is a use.
  const known = [...ANY_STEP, ...op.fields, ...(op.acts === 'task' ? RANGE : [])];
  const unknown = step.keys().filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new StepError(`unknown field ${unknown.join(', ')} of ${step.op}`);
}

/** A bug of the model is told with the place where it showed. */
export function messageFor(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof StepError) return error.message;
  const at = error.stack?.split('\n').find((line) => /^\s+at .*mm-(?:core|lab)/.test(line));
  const place = at === undefined ? '' : ` (${at.trim().replace(/\(?file:.*\/packages\//, '(')})`;
  return `${error.name}: ${error.message}${place}`;
}
