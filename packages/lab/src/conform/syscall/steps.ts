import type { JsonObject } from '../json.js';
import { StepError } from '../step.js';
import { accessStep } from './access-step.js';
import type { CaseWorld } from './case-world.js';
import { fileReadStep, fileStep, fileWriteStep } from './file-steps.js';
import { GROUP_STEPS } from './group-steps.js';
import { MACHINE_STEPS } from './machine-steps.js';
import { mmapStep } from './mmap-step.js';
import { PROCESS_STEPS } from './process-steps.js';
import type { Reply } from './reply.js';
import { sysStep } from './sys-step.js';

/** Does what a step says. */
export type StepFunction = (step: JsonObject, world: CaseWorld) => Reply;

const STEPS: Readonly<Record<string, StepFunction>> = {
  access: accessStep,
  mmap: mmapStep,
  sys: sysStep,
  file: fileStep,
  file_write: fileWriteStep,
  file_read: fileReadStep,
  ...PROCESS_STEPS,
  ...MACHINE_STEPS,
  ...GROUP_STEPS,
};

/** Performs a step; tasks that the kernel killed meanwhile are gone afterwards. */
export function performStep(step: JsonObject, world: CaseWorld): Reply {
  const name = typeof step.op === 'string' ? step.op : '';
  const perform = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
  if (perform === undefined) throw new StepError(`unknown op ${name}`);
  const reply = perform(step, world);
  world.guest.reap();
  const task = world.guest.find(typeof step.proc === 'string' ? step.proc : 'P');
  const isGone = task?.death != null && 'signal' in task.death && reply.killed === undefined;
  return isGone && step.op !== 'exit' ? { ret: -1, killed: 'SIGKILL' } : reply;
}
