import { errnoName } from '@mm-lab/mm-core';
import { isArray, type Json, type JsonObject, numberAt } from '../json.js';
import { nameOrNumber } from '../names.js';
import { addressOf, type Call, type Caller, lengthOf, maskOf, pidOf } from './call.js';
import {
  bitsOf,
  GET_FLAG_NAMES,
  MBIND_FLAG_NAMES,
  MODE_FLAG_NAMES,
  MODE_NAMES,
  nameFor,
} from './names.js';
import { type Reply, replyOf } from './reply.js';

/** Calls about memory policies and moving pages. */
export const POLICY_CALLS: Readonly<Record<string, Call>> = {
  mbind: {
    args: ['at', 'pages', 'bytes', 'mode', 'mode_flags', 'nodemask', 'flags'],
    run: (args, caller) =>
      replyOf(
        caller.world.machine.sys.mbind.mbind(caller.self, {
          start: addressOf(args, caller),
          len: lengthOf(args),
          mode: modeWord(args),
          mask: maskOf(args.nodemask),
          flags: bitsOf(MBIND_FLAG_NAMES, args.flags),
        }),
      ),
  },
  set_mempolicy: {
    args: ['mode', 'mode_flags', 'nodemask'],
    run: (args, { world, self }) =>
      replyOf(
        world.machine.sys.setMempolicy.setMempolicy(self, modeWord(args), maskOf(args.nodemask)),
      ),
  },
  get_mempolicy: {
    args: ['at', 'flags', 'nodemask', 'maxnode', 'policy'],
    run: getMempolicy,
  },
  set_mempolicy_home_node: {
    args: ['at', 'pages', 'bytes', 'node', 'flags'],
    run: (args, caller) =>
      replyOf(
        caller.world.machine.sys.setMempolicyHomeNode.setMempolicyHomeNode(caller.self, {
          start: addressOf(args, caller),
          len: lengthOf(args),
          homeNode: numberAt(args, 'node'),
          flags: numberAt(args, 'flags'),
        }),
      ),
  },
  migrate_pages: {
    args: ['pid', 'maxnode', 'old', 'new'],
    run: (args, caller) => {
      const maxnode = typeof args.maxnode === 'number' ? { maxnode: args.maxnode } : {};
      return replyOf(
        caller.world.machine.sys.migratePages.migratePages(caller.self, {
          pid: pidOf(args.pid, caller),
          from: { ...maskOf(args.old), ...maxnode },
          to: { ...maskOf(args.new), ...maxnode },
        }),
      );
    },
  },
  move_pages: {
    args: ['pid', 'at', 'nodes', 'flags', 'count', 'pages_ptr', 'status_ptr'],
    run: movePages,
  },
};

/** Mode and mode flags in one word. */
function modeWord(args: JsonObject): number {
  return nameOrNumber(MODE_NAMES, args.mode) | bitsOf(MODE_FLAG_NAMES, args.mode_flags);
}

const MPOL_F_NODE = 1;
const MPOL_F_MEMS_ALLOWED = 4;
const MAXNODE = 1024;
const MODE_BITS = 0xff;

function getMempolicy(args: JsonObject, caller: Caller): Reply {
  const flags = bitsOf(GET_FLAG_NAMES, args.flags);
  const wantsMask = args.nodemask !== null && (args.nodemask !== undefined || flags !== 1);
  const { rc, value, nodes } = caller.world.machine.sys.getMempolicy.getMempolicy(caller.self, {
    policy: args.policy === 'BAD' ? 'bad' : 'good',
    nodemask: args.nodemask === 'BAD' ? 'bad' : wantsMask ? 'good' : null,
    maxnode: numberAt(args, 'maxnode', MAXNODE),
    addr: args.at === undefined ? 0 : addressOf(args, caller),
    flags,
  });
  if (rc < 0) return replyOf(rc);
  if ((flags & MPOL_F_NODE) !== 0) return { ret: 0, out: { node: value } };
  const list = [...nodes].sort((a, b) => a - b);
  if ((flags & MPOL_F_MEMS_ALLOWED) !== 0) return { ret: 0, out: { nodes: list } };
  return { ret: 0, out: policyOut(value, list) };
}

/** A mode word and its nodes as the checks name them. */
export function policyOut(word: number, nodes: readonly number[]): JsonObject {
  const mode = nameFor(MODE_NAMES, word & MODE_BITS) ?? word;
  const flags = Object.entries(MODE_FLAG_NAMES).filter(([, bit]) => (word & bit) !== 0);
  return { mode, mode_flags: flags.map(([name]) => name), nodes };
}

function movePages(args: JsonObject, caller: Caller): Reply {
  const { world, task, self } = caller;
  const at = isArray(args.at) ? args.at : [];
  const pages = at.map((item) => world.address(item, task));
  const moved = world.machine.sys.movePages.movePages(self, {
    pid: pidOf(args.pid, caller),
    count: numberAt(args, 'count', pages.length),
    pages: args.pages_ptr === 'BAD' ? 'bad' : pages,
    nodes: args.nodes === undefined ? null : args.nodes === 'BAD' ? 'bad' : numbersOf(args.nodes),
    status: args.status_ptr === 'BAD' ? 'bad' : 'good',
    flags: bitsOf(MBIND_FLAG_NAMES, args.flags),
  });
  const status = pages.map((_, at) => statusName(moved.status[at] ?? null));
  return { ...replyOf(moved.rc), status };
}

function statusName(status: number | null): number | string {
  if (status === null) return 'untouched';
  return status < 0 ? `-${errnoName(-status)}` : status;
}

function numbersOf(value: Json): number[] {
  return isArray(value) ? value.filter((item) => typeof item === 'number') : [];
}
