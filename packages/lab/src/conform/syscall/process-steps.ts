import { PAGE_SIZE, plainCreds } from '@mm-lab/mm-core';
import { GuestTask } from '../guest.js';
import { type JsonObject, numberAt, textAt } from '../json.js';
import { frameAt } from '../ops/frames.js';
import { StepError } from '../step.js';
import type { CaseWorld } from './case-world.js';
import { attach } from './groups.js';
import { DONE, type Reply, replyOf } from './reply.js';
import type { StepFunction } from './steps.js';

/** Steps about processes. */
export const PROCESS_STEPS: Readonly<Record<string, StepFunction>> = {
  proc: (step, world) => {
    world.guest.spawn(textAt(step, 'name', textAt(step, 'proc', 'Q')));
    return setAttributes({ ...step, proc: textAt(step, 'name', textAt(step, 'proc', 'Q')) }, world);
  },
  set: setAttributes,
  fork: (step, world) => {
    const parent = world.task(step.proc);
    const name = textAt(step, 'child', 'C');
    const child = parent.task.fork(name);
    if (typeof child === 'number') return replyOf(child);
    const made = new GuestTask(name, child, parent.regions);
    made.inheritDescriptors(world.machine, parent);
    world.guest.add(made);
    return DONE;
  },
  exit: (step, world) => {
    world.guest.kill(world.task(step.proc), { exit: 0 });
    return DONE;
  },
  pin: (step, world) => {
    const task = world.task(step.proc);
    const first = world.address(step.at, task);
    const length = numberAt(step, 'pages', 1) * PAGE_SIZE;
    const { ioUring } = world.machine.sys;
    task.ring ??= ioUring.setup(task.task.struct);
    world.machine.work.runAs(task.task.struct);
    const rc = ioUring.registerBuffer(task.task.struct, task.ring, first, length);
    world.machine.spend();
    return replyOf(rc);
  },
  numa_scan: (step, world) => {
    world.machine.numaScan.scanAll(world.task(step.proc).task.struct);
    return DONE;
  },
  snap: (step, world) => {
    const { task, addr } = world.place(step.at);
    const first = Math.floor(addr / PAGE_SIZE);
    const pages = numberAt(step, 'pages', 1);
    const frames = Array.from({ length: pages }, (_, at) => frameAt(world.guest, task, first + at));
    world.snaps.set(textAt(step, 'name'), frames);
    return DONE;
  },
};

const ATTRIBUTES = new Set([
  'op',
  'proc',
  'name',
  'cpu',
  'uid',
  'caps',
  'rlimit_memlock',
  'cgroup',
]);

/** `set`: attributes of a process. */
function setAttributes(step: JsonObject, world: CaseWorld): Reply {
  const unknown = Object.keys(step).filter((key) => !ATTRIBUTES.has(key));
  if (unknown.length > 0) throw new StepError(`unknown attribute ${unknown.join(', ')}`);
  const { struct } = world.task(step.proc).task;
  if (step.cpu !== undefined) {
    struct.cpu = numberAt(step, 'cpu');
    struct.nid = world.machine.nodes.nidOfCpu(struct.cpu);
  }
  if (step.uid !== undefined && step.uid !== 0) struct.creds = plainCreds(numberAt(step, 'uid'));
  if (step.caps === 'none') struct.creds = plainCreds(struct.creds.uid);
  if (step.rlimit_memlock !== undefined) struct.rlimits.memlock = numberAt(step, 'rlimit_memlock');
  if (step.cgroup === undefined) return DONE;
  return replyOf(attach(world, world.task(step.proc), textAt(step, 'cgroup')));
}
