import { type JsonObject, numberAt, textAt } from '../json.js';
import { StepError } from '../step.js';
import type { CaseWorld } from './case-world.js';
import { writeFile } from './groups.js';
import { fillToLow, kernelAlloc, offline, online, tiersOf } from './memory-steps.js';
import { DONE, type Reply, replyOf } from './reply.js';
import type { StepFunction } from './steps.js';

const NS_PER_MS = 1_000_000;
/** Time in which asynchronous work of the kernel ends. */
const SETTLE_MS = 50;

/** Steps about the whole machine. */
export const MACHINE_STEPS: Readonly<Record<string, StepFunction>> = {
  sysctl: (step, world) => {
    const path = `/proc/sys/${textAt(step, 'key').replaceAll('.', '/')}`;
    return replyOf(writeFile(world, path, String(step.value)));
  },
  sysfs: writeSysfs,
  sysfs_try: writeSysfs,
  settle: (_step, world) => {
    world.machine.folios.lruAddDrainAll();
    return pass(world, SETTLE_MS);
  },
  advance_ms: (step, world) => pass(world, numberAt(step, 'ms')),
  tiers: (_step, world) => ({ ret: 0, out: { tiers: tiersOf(world) } }),
  ksm_merge: (step, world) => {
    return mergePages(world, numberAt(step, 'scans', 4));
  },
  mem_offline: offline,
  mem_online: online,
  fill_node: (step, world) => {
    if (step.free !== 'low') throw new StepError(`can't leave ${String(step.free)} pages`);
    return fillToLow(step, world);
  },
  kernel_alloc: kernelAlloc,
};

function writeSysfs(step: JsonObject, world: CaseWorld): Reply {
  return replyOf(writeFile(world, `/sys/${textAt(step, 'path')}`, String(step.value)));
}

const KSM = '/sys/kernel/mm/ksm';
/** Pages of a scan: all there are. */
const KSM_PAGES = 100_000;
const KSM_SLEEP_MS = 10;
/** A scan that never ends is a bug of the model. */
const KSM_WAITS_MAX = 1000;

/** ksmd runs until so many more full scans have ended. */
function mergePages(world: CaseWorld, scans: number): Reply {
  const fullScans = (): number => Number(world.machine.pseudoFiles.read(`${KSM}/full_scans`));
  const settings = { pages_to_scan: KSM_PAGES, sleep_millisecs: KSM_SLEEP_MS, run: 1 };
  const until = fullScans() + scans;
  for (const [name, value] of Object.entries(settings)) {
    const rc = writeFile(world, `${KSM}/${name}`, String(value));
    if (rc < 0) return replyOf(rc);
  }
  for (let wait = 0; fullScans() < until; wait++) {
    if (wait === KSM_WAITS_MAX) throw new StepError('ksmd does not come to an end');
    pass(world, KSM_SLEEP_MS);
  }
  return replyOf(writeFile(world, `${KSM}/run`, '0'));
}

function pass(world: CaseWorld, ms: number): Reply {
  world.machine.clock.advance(ms * NS_PER_MS);
  world.machine.spend();
  return DONE;
}
