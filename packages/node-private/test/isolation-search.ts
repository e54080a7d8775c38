import {
  __GFP_COMP,
  __GFP_DIRECT_RECLAIM,
  __GFP_FS,
  __GFP_HARDWALL,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_IO,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  __GFP_ZERO,
  MPOL_BIND,
  MPOL_INTERLEAVE,
  MPOL_MF_MOVE,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
} from '@mm-lab/mm-core';
import fc from 'fast-check';
import {
  NODE_PRIVATE_CAP_DEMOTION,
  NODE_PRIVATE_CAP_HOTUNPLUG,
  NODE_PRIVATE_CAP_NUMA_BALANCING,
  NODE_PRIVATE_CAP_RECLAIM,
  NODE_PRIVATE_CAP_USER_NUMA,
  NP_OPS_COMPACTION,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_RECLAIM,
  type ProfileName,
} from '../src/index.js';
import { IsolationCalls } from './isolation-calls.js';
import { IsolationDaemons } from './isolation-daemons.js';
import type { Mutate } from './isolation-mutations.js';
import type { Step, StepOf, WorldShape } from './isolation-step.js';
import { IsolationWorld } from './isolation-world.js';

const OPT_INS: Readonly<Record<ProfileName, readonly number[]>> = {
  'v4-ops': [
    -1,
    0,
    NP_OPS_RECLAIM,
    NP_OPS_DEMOTION,
    NP_OPS_MIGRATION,
    NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
    NP_OPS_MIGRATION | NP_OPS_DEMOTION | NP_OPS_RECLAIM,
    NP_OPS_MIGRATION | NP_OPS_NUMA_BALANCING | NP_OPS_COMPACTION,
  ],
  'v5-caps': [
    0,
    NODE_PRIVATE_CAP_RECLAIM,
    NODE_PRIVATE_CAP_HOTUNPLUG,
    NODE_PRIVATE_CAP_NUMA_BALANCING,
    NODE_PRIVATE_CAP_USER_NUMA,
    NODE_PRIVATE_CAP_RECLAIM | NODE_PRIVATE_CAP_DEMOTION,
  ],
};

/** Requests that may wait must be allowed to fail: what nothing can serve is not the question. */
const WAITS = [
  0,
  __GFP_DIRECT_RECLAIM | __GFP_RETRY_MAYFAIL,
  __GFP_DIRECT_RECLAIM | __GFP_NORETRY,
] as const;
const MOBILITY = [0, __GFP_MOVABLE, __GFP_HIGHMEM | __GFP_MOVABLE, __GFP_RECLAIMABLE] as const;
const OTHER_BITS = [
  __GFP_HIGH,
  __GFP_KSWAPD_RECLAIM,
  __GFP_THISNODE,
  __GFP_THISNODE,
  __GFP_IO,
  __GFP_FS,
  __GFP_ZERO,
  __GFP_NOWARN,
  __GFP_COMP,
  __GFP_NOMEMALLOC,
  __GFP_HARDWALL,
] as const;

const size = fc.integer({ min: 200, max: 600 });
const orders = fc.shuffledSubarray([1, 2, 3], { minLength: 3 });
const shapes = (profile: ProfileName): fc.Arbitrary<WorldShape> =>
  fc.record({
    profile: fc.constant(profile),
    pages: fc.tuple(size, size, size, size),
    flags: fc.constantFrom(...OPT_INS[profile]),
    refuses: fc.boolean(),
    distance: fc.constantFrom(11, 17, 40),
    secondNs: fc.constantFrom(100, 100, 200),
    order: fc.oneof(fc.constant([1, 3]), fc.constant([3, 1]), orders),
  });
const bits = (some: readonly number[]): number => some.reduce((sum, bit) => sum | bit, 0);
const gfps = fc
  .tuple(fc.constantFrom(...WAITS), fc.constantFrom(...MOBILITY), fc.subarray([...OTHER_BITS]))
  .map(([wait, mobility, others]) => wait | mobility | bits(others));
const nids = fc.integer({ min: 0, max: 3 });
const masks = fc.integer({ min: 1, max: 15 });
/** Private nodes alone often enough: then the group must be given ordinary memory. */
const mems = fc.oneof(masks, fc.constantFrom(2, 8, 10));
const tasks = fc.constantFrom(0, 0, 0, 1);
/** Ordinary nodes alone often enough to be taken where the others may not be named. */
const policyMasks = fc.oneof(masks, fc.constantFrom(1, 4, 5));
const pages = fc.integer({ min: 1, max: 400 });
const few = fc.integer({ min: 0, max: 15 });
const modes = fc.constantFrom(
  MPOL_BIND,
  MPOL_INTERLEAVE,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
);
const homes = fc.constantFrom(MPOL_BIND, MPOL_PREFERRED_MANY);
const moves = fc.constantFrom(0, MPOL_MF_MOVE);
const sizes = fc.constantFrom(0, 0, 0, 3, 9);
const kind = <K extends Step['kind']>(name: K): fc.Arbitrary<K> => fc.constant(name);
const alone = <K extends Step['kind']>(name: K) => fc.record({ kind: kind(name) });

const STEPS = {
  alloc: fc.record({ kind: kind('alloc'), gfp: gfps, order: sizes, nid: nids }),
  write: fc.record({ kind: kind('write'), task: tasks, pages }),
  policy: fc.record({ kind: kind('policy'), task: tasks, mode: modes, mask: policyMasks }),
  bind: fc.record({ kind: kind('bind'), mode: modes, mask: policyMasks, flags: moves }),
  home: fc.record({ kind: kind('home'), mode: homes, mask: policyMasks, nid: nids }),
  move: fc.record({ kind: kind('move'), nid: nids, pages }),
  migrate: fc.record({ kind: kind('migrate'), from: masks, to: masks }),
  confine: fc.record({ kind: kind('confine'), task: tasks, mask: mems }),
  narrow: fc.record({ kind: kind('narrow'), mask: mems }),
  limit: fc.record({ kind: kind('limit'), pages: few }),
  fork: fc.record({ kind: kind('fork'), pages: few }),
  mremap: fc.record({ kind: kind('mremap'), to: few }),
  share: fc.record({ kind: kind('share'), mode: modes, mask: policyMasks }),
  huge: fc.record({ kind: kind('huge'), nid: nids, pages: fc.constantFrom(1, 2) }),
  merge: alone('merge'),
  collapse: fc.record({ kind: kind('collapse'), byCall: fc.boolean() }),
  compact: fc.record({ kind: kind('compact'), nid: nids }),
  pin: fc.record({ kind: kind('pin'), page: few }),
  offline: fc.record({ kind: kind('offline'), page: few, hard: fc.boolean() }),
  balance: fc.record({ kind: kind('balance'), nid: nids }),
  reclaim: fc.record({ kind: kind('reclaim'), nid: fc.constantFrom(0, 0, 2, 1, 3) }),
  demote: fc.record({ kind: kind('demote'), nid: fc.constantFrom(0, 0, 2) }),
  exhaust: alone('exhaust'),
  pageout: alone('pageout'),
  exit: fc.record({ kind: kind('exit'), task: tasks }),
  replug: fc.record({ kind: kind('replug'), nid: nids }),
  register: fc.record({ kind: kind('register'), nid: nids }),
  wait: alone('wait'),
} as const satisfies { readonly [K in Step['kind']]: fc.Arbitrary<Step> };

/** Steps that matter to each other. */
const THEMES: readonly (readonly Step['kind'][])[] = [
  ['policy', 'confine', 'narrow'],
  ['policy', 'confine'],
  ['policy', 'confine'],
  ['home'],
  ['demote'],
  ['alloc', 'exhaust', 'replug'],
  ['bind', 'home', 'move', 'migrate'],
  ['demote', 'confine'],
  ['fork', 'mremap', 'share', 'pin', 'offline', 'balance', 'bind', 'move', 'narrow'],
  ['merge', 'collapse', 'compact', 'huge', 'limit', 'policy', 'reclaim'],
  ['register', 'replug', 'alloc', 'huge', 'write'],
  ['alloc', 'write', 'pageout', 'exit', 'wait', 'reclaim', 'policy', 'bind', 'move', 'replug'],
];
const paths: fc.Arbitrary<Step[]> = fc.constantFrom(...THEMES).chain((theme) => {
  const kinds: readonly fc.Arbitrary<Step>[] = theme.map((name) => STEPS[name]);
  return fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 12 });
});

/** One that meets every gate early: a search is only as good as the machines it begins with. */
const SEED = 9;

/** What a search came to. */
export interface Search {
  /** The first thing that was had and that nobody asked for, in words; null if there is none. */
  readonly found: string | null;
  /** Kinds of steps that were taken. */
  readonly taken: ReadonlySet<Step['kind']>;
  /** What was done in all: the steps bite. */
  readonly work: Readonly<Record<string, number>>;
  readonly cpuSeconds: number;
  /** Machines that it took. */
  readonly machines: number;
}

/** Counters of the machine that must have grown somewhere. */
const WORK = [
  'pgmigrate_success',
  'pgdemote_kswapd',
  'pgdemote_direct',
  'numa_pte_updates',
  'pswpout',
  'pswpin',
  'thp_collapse_alloc',
  'compact_migrate_scanned',
] as const;

/**
 * Looks for memory that was had and that nobody asked for, on so many machines.
 * @param mutate takes a gate away
 */
export function search(profile: ProfileName, numRuns: number, mutate?: Mutate): Search {
  const begin = process.cpuUsage();
  const taken = new Set<Step['kind']>();
  const work: Record<string, number> = { 'huge pages': 0, 'pages merged': 0 };
  for (const name of WORK) work[name] = 0;
  let found: string | null = null;
  const property = fc.property(shapes(profile), paths, (shape, path) => {
    const world = new IsolationWorld(shape, mutate);
    const actions = actionsOn(world);
    for (const step of path) {
      taken.add(step.kind);
      perform(actions, step);
      world.machine.spend();
      found = world.wrong;
      if (found !== null) return false;
    }
    if (mutate === undefined) world.machine.verify();
    const counts = world.machine.vmstat();
    for (const name of WORK) work[name] = (work[name] ?? 0) + counts[name];
    for (const [name, count] of world.done) work[name] = (work[name] ?? 0) + count;
    return true;
  });
  const run = fc.check(property, { seed: SEED, numRuns, endOnFailure: true });
  if (run.failed && found === null) throw run.errorInstance;
  const { user, system } = process.cpuUsage(begin);
  return { found, taken, work, cpuSeconds: (user + system) / 1e6, machines: run.numRuns };
}

/** Every kind of step. */
export const STEP_KINDS: readonly string[] = Object.keys(STEPS);

/** What each kind of step does. */
type Actions<K extends Step['kind']> = { readonly [P in K]: (step: StepOf<P>) => void };

function actionsOn(world: IsolationWorld): Actions<Step['kind']> {
  const calls = new IsolationCalls(world);
  const daemons = new IsolationDaemons(world, calls);
  return {
    alloc: (it) => calls.alloc(it),
    write: (it) => calls.write(it),
    policy: (it) => calls.policy(it),
    bind: (it) => calls.bind(it),
    home: (it) => calls.home(it),
    move: (it) => calls.move(it),
    migrate: (it) => calls.migrate(it),
    confine: (it) => calls.confine(it),
    narrow: (it) => calls.narrow(it),
    limit: (it) => calls.limit(it),
    fork: (it) => calls.fork(it),
    mremap: (it) => calls.mremap(it),
    share: (it) => calls.share(it),
    pin: (it) => calls.pin(it),
    pageout: () => calls.pageout(),
    huge: (it) => daemons.huge(it),
    merge: () => daemons.merge(),
    collapse: (it) => daemons.collapse(it),
    compact: (it) => daemons.compact(it),
    offline: (it) => daemons.offline(it),
    balance: (it) => daemons.balance(it),
    reclaim: (it) => daemons.reclaim(it),
    demote: (it) => daemons.demote(it),
    exhaust: () => daemons.exhaust(),
    exit: (it) => daemons.exit(it),
    replug: (it) => daemons.replug(it),
    register: (it) => daemons.register(it),
    wait: () => daemons.wait(),
  };
}

function perform<K extends Step['kind']>(actions: Actions<K>, step: StepOf<K>): void {
  const run: (step: StepOf<K>) => void = actions[step.kind];
  run(step);
}
