import type { UserNodemask } from '@mm-lab/mm-core';
import type { Json, JsonObject } from '../json.js';
import {
  flagSet,
  GET_MEMPOLICY_FLAGS,
  MBIND_FLAGS,
  MODE_FLAGS,
  MODES,
  nameOf,
  nameOrNumber,
  numberOf,
} from '../names.js';
import { returned } from '../result.js';
import type { Step } from '../step.js';
import { RANGE, type TaskOp } from './op.js';

/** Bits of the recorder's masks, and what it passes as `maxnode` for them. */
const MASK_BITS = 128;
/** Bits of the mask that get_mempolicy fills. */
const BIG_MASK_BITS = 1024;
/** Where about the stack behind a single mask and behind the second of two holds something. */
const STACK_BEHIND_ONE = 2000;
const STACK_BEHIND_TWO = 1025;
const MODE_MASK = 0xff;
const MODE_FIELDS = ['mode', 'modeflags', 'nodes', 'maxnode', 'bad_mask'] as const;

export const mbindOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, ...MODE_FIELDS, 'flags'],
  run: (step, task, guest) => {
    const range = task.rangeOrNothing(step);
    const args = {
      start: range.addr,
      len: range.length,
      mode: modeOf(step),
      mask: maskOf(step),
      flags: flagSet(MBIND_FLAGS, step.get('flags')),
    };
    return returned(guest.call(task, (caller) => guest.machine.sys.mbind.mbind(caller, args)));
  },
};

export const setMempolicyOp: TaskOp = {
  acts: 'task',
  fields: [...MODE_FIELDS],
  run: (step, task, guest) => {
    const { setMempolicy } = guest.machine.sys;
    const run = () => setMempolicy.setMempolicy(task.task.struct, modeOf(step), maskOf(step));
    return returned(guest.call(task, run));
  },
};

/** The mode and its nodes, or with NODE a node. */
export const getMempolicyOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'flags', 'maxnode'],
  run: (step, task, guest) => {
    const flags = flagSet(GET_MEMPOLICY_FLAGS, step.get('flags'));
    const wantsNode = (flags & numberOf(GET_MEMPOLICY_FLAGS, 'NODE')) !== 0;
    const wantsAddr = (flags & numberOf(GET_MEMPOLICY_FLAGS, 'ADDR')) !== 0;
    const result = guest.call(task, (caller) =>
      guest.machine.sys.getMempolicy.getMempolicy(caller, {
        policy: 'good',
        nodemask: wantsNode ? null : 'good',
        maxnode: wantsNode && !step.has('maxnode') ? 0 : step.int('maxnode', BIG_MASK_BITS + 1),
        addr: wantsAddr || step.has('r') ? task.rangeOrNothing(step).addr : 0,
        flags,
      }),
    );
    if (result.rc < 0) return returned(result.rc);
    if (wantsNode) return { ret: result.rc, node: result.value };
    const nodes: Json = [...result.nodes];
    const isMask = (flags & numberOf(GET_MEMPOLICY_FLAGS, 'MEMS_ALLOWED')) !== 0;
    return { ret: result.rc, ...(isMask ? {} : modeJson(result.value)), nodes };
  },
};

export const homeNodeOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'node', 'hflags'],
  run: (step, task, guest) => {
    const range = task.rangeOrNothing(step);
    const args = {
      start: range.addr,
      len: range.length,
      homeNode: step.int('node', 0),
      flags: step.int('hflags', 0),
    };
    const { setMempolicyHomeNode } = guest.machine.sys;
    const run = () => setMempolicyHomeNode.setMempolicyHomeNode(task.task.struct, args);
    return returned(guest.call(task, run));
  },
};

export const migratePagesOp: TaskOp = {
  acts: 'task',
  fields: ['from', 'to', 'maxnode', 'target', 'pid', 'hide'],
  run: (step, task, guest) => {
    const maxnode = step.int('maxnode', MASK_BITS + 1);
    const args = {
      pid: guest.target(step),
      from: { nodes: nodesIn(step, 'from'), maxnode },
      to: { nodes: [...nodesIn(step, 'to'), ...behind(maxnode, STACK_BEHIND_TWO)], maxnode },
    };
    const { migratePages } = guest.machine.sys;
    return returned(guest.call(task, (caller) => migratePages.migratePages(caller, args)));
  },
};

function modeOf(step: Step): number {
  const mode = nameOrNumber(MODES, step.get('mode'));
  return mode | flagSet(MODE_FLAGS, step.get('modeflags'));
}

function maskOf(step: Step): UserNodemask {
  const has = step.has('nodes');
  const maxnode = step.has('maxnode') ? step.int('maxnode', 0) : has ? MASK_BITS + 1 : 0;
  if (step.int('bad_mask', 0) !== 0) return { nodes: 'bad', maxnode };
  if (!has) return { nodes: null, maxnode };
  return { nodes: [...nodesIn(step, 'nodes'), ...behind(maxnode, STACK_BEHIND_ONE)], maxnode };
}

/** The recorder's stack behind a mask is not empty from some bit on. */
function behind(maxnode: number, firstBit: number): readonly number[] {
  return maxnode > firstBit ? [firstBit] : [];
}

/** Nodes that fit the recorder's masks. */
function nodesIn(step: Step, key: string): readonly number[] {
  return step.numbers(key).filter((nid) => nid >= 0 && nid < MASK_BITS);
}

function modeJson(word: number): JsonObject {
  const mode = nameOf(MODES, word & MODE_MASK) ?? '?';
  const modeflags = word & ~MODE_MASK;
  return modeflags === 0 ? { mode } : { mode, modeflags };
}
