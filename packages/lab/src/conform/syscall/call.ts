import { PAGE_SIZE, type TaskStruct } from '@mm-lab/mm-core';
import type { GuestTask } from '../guest.js';
import { isObject, type Json, type JsonObject, numberAt } from '../json.js';
import { StepError } from '../step.js';
import type { CaseWorld } from './case-world.js';
import type { Reply } from './reply.js';

/** Who makes a call. */
export interface Caller {
  readonly world: CaseWorld;
  readonly task: GuestTask;
  readonly self: TaskStruct;
}

/** A system call of the vocabulary. */
export interface Call {
  /** Arguments that it knows; any other one fails the case. */
  readonly args: readonly string[];
  readonly run: (args: JsonObject, caller: Caller) => Reply;
}

/** Bytes of a length: `pages` times 4096, or `bytes`, which wins. */
export function lengthOf(args: JsonObject): number {
  return 'bytes' in args ? numberAt(args, 'bytes') : numberAt(args, 'pages') * PAGE_SIZE;
}

export function addressOf(args: JsonObject, { world, task }: Caller): number {
  return world.address(args.at, task);
}

/** Process id: `self`, `unused`, a number or a name; 0 is the caller. @throws StepError */
export function pidOf(value: Json | undefined, { world }: Caller): number {
  if (value === undefined || value === 'self') return 0;
  if (typeof value === 'number') return value;
  if (value === 'unused') return UNUSED_PID;
  if (typeof value !== 'string') throw new StepError(`no process in ${JSON.stringify(value)}`);
  return world.task(value).task.struct.pid;
}

/** No process has this number. */
const UNUSED_PID = 0x3fff_ffff;

/** A node mask with its size: null, a list, or a pointer that can't be read. */
export function maskOf(value: Json | undefined, maxnodeDefault = 65) {
  if (!isObject(value)) return { nodes: null, maxnode: 0 } as const;
  const maxnode = numberAt(value, 'maxnode', maxnodeDefault);
  if (value.ptr === 'BAD') return { nodes: 'bad', maxnode } as const;
  const nodes = Array.isArray(value.nodes) ? value.nodes.filter((n) => typeof n === 'number') : [];
  return { nodes, maxnode } as const;
}
