import { type JsonObject, objectAt } from '../json.js';
import { StepError } from '../step.js';
import type { Call } from './call.js';
import type { CaseWorld } from './case-world.js';
import { POLICY_CALLS } from './policy-calls.js';
import { RANGE_CALLS } from './range-calls.js';
import type { Reply } from './reply.js';

const CALLS: Readonly<Record<string, Call>> = { ...RANGE_CALLS, ...POLICY_CALLS };

/** `sys`: a system call by name, with its arguments. */
export function sysStep(step: JsonObject, world: CaseWorld): Reply {
  const name = typeof step.name === 'string' ? step.name : '';
  const call = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
  if (call === undefined) throw new StepError(`unknown system call ${name}`);
  const args = objectAt(step, 'args');
  const unknown = Object.keys(args).filter((key) => !call.args.includes(key));
  if (unknown.length > 0) throw new StepError(`unknown argument ${unknown.join(', ')} of ${name}`);
  const task = world.task(step.proc);
  world.machine.work.runAs(task.task.struct);
  const reply = call.run(args, { world, task, self: task.task.struct });
  world.machine.spend();
  return reply;
}
