import { createMachine, zramSwap } from '@mm-lab/mm-core';
import type { SyscallCase } from './conform-case.js';
import { isObject, type Json, type JsonObject, listAt, objectAt } from './json.js';
import type { Finding, StepAnswer } from './outcome.js';
import { messageFor } from './run-record.js';
import { CaseWorld } from './syscall/case-world.js';
import { failedChecks } from './syscall/checks.js';
import { type Mismatch, mismatchOf } from './syscall/match.js';
import type { Reply } from './syscall/reply.js';
import { performStep } from './syscall/steps.js';
import { syscallMachine } from './syscall-machine.js';
import { WordData } from './word-data.js';

/** The header's RAM block device of 128 MiB, swapped on from the start. */
const RAM_DISK = { pages: 128 * 256 - 1, codec: 'lz4' };

/** What became of a case of system calls. */
export interface SyscallRun {
  readonly findings: readonly Finding[];
  readonly steps: readonly StepAnswer[];
}

/** Runs a case: setup, the call, what follows. It ends at the first step that fails. */
export function runSyscallCase(found: SyscallCase): SyscallRun {
  const words = new WordData();
  const machine = createMachine(syscallMachine(found.machine), [
    words.plugin(),
    zramSwap(RAM_DISK),
  ]);
  const world = new CaseWorld(machine, words);
  const steps: StepAnswer[] = [];
  for (const { name, step, expect } of planOf(found.kase)) {
    const label = `${name} ${labelOf(step)}`;
    const failed = tryStep(step, expect, world, steps);
    if (failed.length === 0) continue;
    return { steps, findings: failed.map((finding) => ({ ...finding, step: label })) };
  }
  return { steps, findings: [] };
}

interface PlannedStep {
  readonly name: string;
  readonly step: JsonObject;
  readonly expect: JsonObject;
}

/** Setup steps must succeed unless they say otherwise. */
function planOf(kase: Json): readonly PlannedStep[] {
  const setup = listAt(kase, 'setup').filter((step) => isObject(step));
  const later = listAt(kase, 'then').filter((item) => isObject(item));
  return [
    ...setup.map((step, at) => ({ name: `setup ${at}`, step, expect: expectOfSetup(step) })),
    { name: 'call', step: objectAt(kase, 'call'), expect: objectAt(kase, 'expect') },
    ...later.map((item, at) => ({
      name: `then ${at}`,
      step: objectAt(item, 'do'),
      expect: objectAt(item, 'expect'),
    })),
  ];
}

function expectOfSetup(step: JsonObject): JsonObject {
  if (isObject(step.expect)) return step.expect;
  return step.may_fail === true ? {} : { ret: { in: ['addr', 0] } };
}

type FindingBody = Omit<Finding, 'step'>;

function tryStep(
  step: JsonObject,
  expect: JsonObject,
  world: CaseWorld,
  steps: StepAnswer[],
): readonly FindingBody[] {
  const before = { ...world.machine.vmstat() };
  try {
    const reply = performStep(step, world);
    steps.push({ op: labelOf(step), result: jsonOf(reply) });
    const missing = setupFailure(expect, reply);
    const found = missing ?? failedChecks(expect, { world, reply, before });
    return found.map(findingOf);
  } catch (error) {
    return [{ field: '', kernel: undefined, model: undefined, message: messageFor(error) }];
  }
}

/** A setup step that gives back a count is as good as one that gives back 0. */
function setupFailure(expect: JsonObject, reply: Reply): readonly Mismatch[] | null {
  const wanted = expect.ret;
  const isSetup = isObject(wanted) && Array.isArray(wanted.in) && wanted.in.includes('addr');
  if (!isSetup) return null;
  if (reply.ret !== -1) return [];
  return [mismatchOf('ret', 'success', reply.errno ?? reply.killed ?? reply.signal?.sig)];
}

function findingOf({ field, wanted, got }: Mismatch): FindingBody {
  return { field, kernel: wanted, model: got };
}

function labelOf(step: JsonObject): string {
  const { op, name } = step;
  return op === 'sys' ? String(name) : String(op);
}

function jsonOf(reply: Reply): Json {
  const { ret, errno, signal, killed, out, status } = reply;
  return {
    ret,
    ...(errno === undefined ? {} : { errno }),
    ...(signal === undefined ? {} : { signal: { ...signal } }),
    ...(killed === undefined ? {} : { killed }),
    ...(out === undefined ? {} : { out }),
    ...(status === undefined ? {} : { status }),
  };
}
