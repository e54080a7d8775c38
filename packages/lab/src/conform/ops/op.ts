import type { Guest, GuestTask } from '../guest.js';
import type { JsonObject } from '../json.js';
import type { Step } from '../step.js';

/** A step of a task. */
export interface TaskOp {
  readonly acts: 'task';
  /** The fields it reads; a step with another one is refused, not misunderstood. */
  readonly fields: readonly string[];
  run(step: Step, task: GuestTask, guest: Guest): JsonObject;
}

/** A step of the whole machine. */
export interface MachineOp {
  readonly acts: 'machine';
  readonly fields: readonly string[];
  run(step: Step, guest: Guest): JsonObject;
}

export type Op = TaskOp | MachineOp;

/** Fields that choose a range of a region. */
export const RANGE = ['r', 'page', 'n', 'addr_add', 'len_bytes'] as const;

/** Fields that every step may have. */
export const ANY_STEP = ['op', 'p', 'timeout_ms', 'doc', 'note'] as const;
