import {
  createMachine,
  type MachineConfig,
  type NodeConfig,
  type Plugin,
  Prng,
} from '@mm-lab/mm-core';
import { ADDRESS_SPACE_OPERATIONS } from './address-space-operations.js';
import { ADVICE_OPERATIONS } from './advice-operations.js';
import { FILE_OPERATIONS } from './file-operations.js';
import { fuzzData } from './fuzz-data.js';
import { GROUP_OPERATIONS } from './group-operations.js';
import { auditMachine, type OpenedPages } from './invariants.js';
import { MEMORY_OPERATIONS } from './memory-operations.js';
import type { FuzzOperation } from './operation.js';
import { POLICY_OPERATIONS } from './policy-operations.js';
import { randomConfig, randomMixedNodes, randomNodes, randomSwap } from './random-machine.js';
import { SIDE_OPERATIONS } from './side-operations.js';
import { Swarm } from './swarm.js';
import { TUNING_OPERATIONS, tuneAtStart } from './tuning-operations.js';
import { USERFAULTFD_OPERATIONS } from './userfaultfd-operations.js';
import { FuzzWorld } from './world.js';
import { randomZswap, ZSWAP_OPERATIONS } from './zswap-operations.js';

const CLASSIC: readonly FuzzOperation[] = [...ADDRESS_SPACE_OPERATIONS, ...MEMORY_OPERATIONS];
const MIXED: readonly FuzzOperation[] = [
  ...ADVICE_OPERATIONS,
  ...POLICY_OPERATIONS,
  ...GROUP_OPERATIONS,
  ...USERFAULTFD_OPERATIONS,
  ...TUNING_OPERATIONS,
  ...SIDE_OPERATIONS,
  ...FILE_OPERATIONS,
];

/** Operations in the log of a failure. */
const LOG_LINES = 12;
/** Where the programs' memory lies. */
const BASES = [0, 4096, 2 ** 20 + 7, 2 ** 34] as const;

/** One run of the fuzzer. Equal options give equal runs. */
export interface FuzzOptions {
  readonly seed: number;
  readonly steps: number;
  /** Drivers and services of the machine; made anew for each run, as they belong to one machine. */
  readonly plugins?: readonly Plugin[];
  /** Nodes of the machine; default: random ones. */
  readonly nodes?: readonly NodeConfig[];
  /** Tunables that are not left to chance. */
  readonly sysctl?: MachineConfig['sysctl'];
  /** Parameters of zswap; default: random ones, and half of the machines without. */
  readonly zswap?: MachineConfig['zswap'];
  /** Further operations, such as what the driver's users can ask of it. */
  readonly operations?: readonly FuzzOperation[];
  /** Only the operations of the first fuzzer, so that what it found can be replayed? */
  readonly classic?: boolean;
  /** Names of built-in operations to leave out. */
  readonly without?: readonly string[];
  /** May the driver lose contents? Default no; stale and leaked contents never. */
  readonly mayLose?: boolean;
  /**
   * May a store fault for ever? RFC v4's CRAM lets it while DRAM is full and nothing can leave: the
   * recorded kernel looped until the writer was killed. Such a program is killed here too.
   */
  readonly mayHang?: boolean;
  /** Pages behind a write fence that their service opened for stores; default none may be. */
  readonly isOpened?: OpenedPages;
}

/** What a run without a finding did. */
export interface FuzzReport {
  readonly seed: number;
  readonly steps: number;
  /** Accesses whose verdict and contents were compared with the model. */
  readonly checks: number;
  /** Pages that a driver lost: the model missed them, and the machine counted each. */
  readonly losses: number;
  /** Steps by operation. */
  readonly operations: Readonly<Record<string, number>>;
  /** Counters of the machine at the end. */
  readonly stats: Readonly<Record<string, number>>;
}

/** A finding: replay it with the same options and `steps: step + 1`. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';

  constructor(
    readonly seed: number,
    readonly step: number,
    log: readonly string[],
    cause: unknown,
  ) {
    const what = cause instanceof Error ? cause.message : String(cause);
    const head = `seed ${seed}, step ${step}: ${what}`;
    super([head, ...log.map((line) => `  ${line}`)].join('\n'), { cause });
  }
}

/**
 * Runs random operations on a random machine. After every step the whole machine is recounted, and
 * every access is compared with an independent model of what the program may expect.
 * @throws FuzzFailure at the first disagreement
 */
export function fuzzMachine(options: FuzzOptions): FuzzReport {
  const random = new Prng(options.seed);
  const world = buildWorld(options, random);
  const without = new Set(options.without ?? []);
  // Only `fuzzData` tells which stores wrote the same bytes.
  world.mayMerge = options.plugins === undefined;
  if (!world.mayMerge) without.add('mergeable');
  const zswap = world.machine.zswap.everEnabled ? ZSWAP_OPERATIONS : [];
  const builtIn = options.classic === true ? CLASSIC : [...CLASSIC, ...MIXED, ...zswap];
  const known = [...builtIn, ...(options.operations ?? [])];
  const swarm = new Swarm(
    random,
    known.filter(({ name }) => !without.has(name)),
  );
  const counts = new Map<string, number>();
  const log: string[] = [];
  let step = 0;
  try {
    for (; step < options.steps; step++) {
      const operation = swarm.draw();
      counts.set(operation.name, (counts.get(operation.name) ?? 0) + 1);
      runStep(world, operation, `${step} `, log);
      auditMachine(world.machine, options.isOpened);
    }
    world.sweep();
    world.checkCounts();
    auditMachine(world.machine, options.isOpened);
  } catch (cause) {
    throw new FuzzFailure(options.seed, step, log, cause);
  }
  const operations = Object.fromEntries([...counts].sort());
  const stats = world.machine.stats();
  return {
    seed: options.seed,
    steps: step,
    checks: world.checks,
    losses: world.losses,
    operations,
    stats,
  };
}

function buildWorld(options: FuzzOptions, random: Prng): FuzzWorld {
  const isClassic = options.classic === true;
  const nodes = options.nodes ?? (isClassic ? randomNodes(random) : randomMixedNodes(random));
  const data = isClassic ? [] : [fuzzData];
  const given = options.plugins ?? data;
  const names = new Set(given.map(({ name }) => name));
  const swap = randomSwap(random).filter(({ name }) => !names.has(name));
  const drawn = randomConfig(random, nodes);
  const zswap = options.zswap ?? (isClassic ? {} : randomZswap(options.seed));
  const config = { ...drawn, zswap, sysctl: { ...drawn.sysctl, ...options.sysctl } };
  const machine = createMachine(config, [...swap, ...given]);
  const allow = { loses: options.mayLose ?? false, hangs: options.mayHang ?? false };
  const world = new FuzzWorld(machine, random, random.pick(BASES), allow);
  if (!isClassic) tuneAtStart(world);
  return world;
}

function runStep(world: FuzzWorld, operation: FuzzOperation, prefix: string, log: string[]): void {
  const model = world.anyModel();
  log.push(`${prefix}task ${model.task.mm.id}: ${operation.name} …`);
  if (log.length > LOG_LINES) log.shift();
  log[log.length - 1] = `${prefix}task ${model.task.mm.id}: ${operation.run(world, model)}`;
  world.bury();
  world.checkCounts();
}
