import { PAGE_SIZE, type TaskStruct } from '@mm-lab/mm-core';
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  textAt,
} from '../json.js';
import { nameOrNumber, protOf } from '../names.js';
import { addressOf, type Call, type Caller, lengthOf, pidOf } from './call.js';
import {
  ADVICE_NAMES,
  bitsOf,
  MLOCK_FLAG_NAMES,
  MLOCKALL_FLAG_NAMES,
  MREMAP_FLAG_NAMES,
  MSYNC_FLAG_NAMES,
} from './names.js';
import { type Reply, replyOf, signalOf } from './reply.js';

const RANGE = ['at', 'pages', 'bytes'] as const;

/** A call on a range of addresses that gives back 0 or -errno. */
function onRange(
  more: readonly string[],
  call: (
    range: { readonly addr: number; readonly length: number },
    caller: Caller,
    args: JsonObject,
  ) => number,
): Call {
  return {
    args: [...RANGE, ...more],
    run: (args, caller) =>
      replyOf(call({ addr: addressOf(args, caller), length: lengthOf(args) }, caller, args)),
  };
}

/** Calls about address ranges. */
export const RANGE_CALLS: Readonly<Record<string, Call>> = {
  munmap: onRange([], ({ addr, length }, { world, self }) =>
    world.machine.sys.munmap.munmap(self, addr, length),
  ),
  mlock: onRange([], ({ addr, length }, { world, self }) =>
    world.machine.sys.mlock.mlock(self, addr, length),
  ),
  mlock2: onRange(['flags'], ({ addr, length }, { world, self }, args) =>
    world.machine.sys.mlock.mlock2(self, addr, length, bitsOf(MLOCK_FLAG_NAMES, args.flags)),
  ),
  munlock: onRange([], ({ addr, length }, { world, self }) =>
    world.machine.sys.mlock.munlock(self, addr, length),
  ),
  mlockall: {
    args: ['flags'],
    run: (args, { world, self }) =>
      replyOf(world.machine.sys.mlock.mlockall(self, bitsOf(MLOCKALL_FLAG_NAMES, args.flags))),
  },
  prctl: {
    args: ['raw'],
    run: (args, { world, self }) => {
      const raw = listAt(args, 'raw').map(Number);
      return replyOf(world.machine.sys.prctl.prctl(self, raw[0] ?? 0, raw.slice(1)));
    },
  },
  munlockall: {
    args: [],
    run: (_args, { world, self }) => replyOf(world.machine.sys.mlock.munlockall(self)),
  },
  mprotect: onRange(['prot'], ({ addr, length }, { world, self }, args) =>
    world.machine.sys.mprotect.mprotect(self, addr, length, protArg(args.prot)),
  ),
  madvise: {
    args: [...RANGE, 'advice'],
    run: (args, caller) => {
      const { world, self } = caller;
      const range = { addr: addressOf(args, caller), length: lengthOf(args) };
      const advice = nameOrNumber(ADVICE_NAMES, args.advice);
      self.takeSignal();
      const rc = world.machine.sys.madvise.madvise(self, range.addr, range.length, advice);
      const info = self.takeSignal();
      return info === null ? replyOf(rc) : { ...replyOf(rc), signal: signalOf(info) };
    },
  },
  msync: onRange(['flags'], ({ addr, length }, { world, self }, args) =>
    world.machine.sys.msync.msync(self, addr, length, bitsOf(MSYNC_FLAG_NAMES, args.flags)),
  ),
  mseal: onRange(['flags'], ({ addr, length }, { world, self }, args) =>
    world.machine.sys.mseal.mseal(self, addr, length, numberAt(args, 'flags')),
  ),
  mincore: { args: [...RANGE, 'vec', 'vec_pages'], run: mincore },
  mremap: { args: ['at', 'old_pages', 'new_pages', 'flags', 'to', 'map'], run: mremap },
  process_madvise: {
    args: ['pid', 'pidfd', 'iov', 'advice', 'flags', 'vlen'],
    run: processMadvise,
  },
  ftruncate: {
    args: ['file', 'pages'],
    run: (args, { world }) => {
      world.machine.truncate.setSize(
        world.file(args.file).mapping,
        numberAt(args, 'pages') * PAGE_SIZE,
      );
      return replyOf(0);
    },
  },
};

function protArg(value: Json | undefined): number {
  return typeof value === 'number' ? value : protOf(typeof value === 'string' ? value : '');
}

function mincore(args: JsonObject, caller: Caller): Reply {
  const { world, self } = caller;
  const vec: number[] | null = args.vec === 'BAD' ? null : [];
  const addr = addressOf(args, caller);
  const rc = world.machine.sys.mincore.mincore(self, addr, lengthOf(args), vec);
  return rc < 0 ? replyOf(rc) : replyOf(rc, { vec: vec ?? [] });
}

function mremap(args: JsonObject, caller: Caller): Reply {
  const { world, task, self } = caller;
  const from = addressOf(args, caller);
  const length = numberAt(args, 'new_pages') * PAGE_SIZE;
  const addr = world.machine.sys.mremap.mremap(self, {
    addr: from,
    oldLength: numberAt(args, 'old_pages') * PAGE_SIZE,
    newLength: length,
    flags: bitsOf(MREMAP_FLAG_NAMES, args.flags),
    newAddr: args.to === undefined ? 0 : world.address(args.to, task),
  });
  if (addr < 0) return replyOf(addr);
  const name = textAt(args, 'map', 'A');
  const known = task.region(name);
  if (known === undefined) task.regions.push({ name, addr, length });
  else Object.assign(known, { addr, length });
  return { ret: 'addr', out: { moved: addr !== from } };
}

function processMadvise(args: JsonObject, caller: Caller): Reply {
  const { world, task, self } = caller;
  const iov = (isArray(args.iov) ? args.iov : []).map((item) => {
    const [at, size] = isArray(item) ? item : [];
    const length = isObject(size) ? numberAt(size, 'bytes') : Number(size ?? 0) * PAGE_SIZE;
    return { addr: world.address(at, task), length };
  });
  return replyOf(
    world.machine.sys.processMadvise.processMadvise(self, {
      target: args.pidfd === undefined ? targetOf(args.pid, caller) : null,
      ranges: iov.slice(0, numberAt(args, 'vlen', iov.length)),
      vlen: numberAt(args, 'vlen', iov.length),
      advice: nameOrNumber(ADVICE_NAMES, args.advice),
      flags: numberAt(args, 'flags'),
    }),
  );
}

function targetOf(pid: Json | undefined, caller: Caller): TaskStruct | null {
  const number = pidOf(pid, caller);
  return number === 0 ? caller.self : caller.world.machine.tasks.find(number);
}
