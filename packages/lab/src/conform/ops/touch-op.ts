import { deathOf, type Guest, type GuestTask } from '../guest.js';
import type { Json, JsonObject } from '../json.js';
import { takeSignal } from '../recorder-areas.js';
import { NO_REGION } from '../result.js';
import { runsOf } from '../runs.js';
import { StepError } from '../step.js';
import { pagesIn, wordAt } from './frames.js';
import { RANGE, type TaskOp } from './op.js';

/** Reasons for a signal that the recorder has no name for. */
const NAMELESS: ReadonlySet<string> = new Set(['PKUERR']);

/** Signals that the recorder remembers. */
const SIGNALS_MAX = 64;
const NS_PER_MS = 1_000_000;

/** A fault that ended in a signal: page by number in the range. */
interface Signal {
  readonly page: number;
  readonly signal: string;
  readonly lsb: number;
}

/** What a step touches. */
interface Plan {
  readonly first: number;
  readonly count: number;
  readonly stride: number;
  readonly write: boolean;
  readonly value: number;
  readonly addIndex: boolean;
  readonly keep: boolean;
  readonly loopMs: number;
}

/** What came of it. */
interface Touched {
  ok: number;
  faulted: number;
  killed: boolean;
  readonly signals: Signal[];
  readonly values: number[];
}

/** Loads or stores the first word of each page of a range. */
export const touchOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'access', 'value', 'add_index', 'stride', 'loop_ms', 'values'],
  run: (step, task, guest) => {
    const range = task.range(step);
    if (range === undefined) return NO_REGION;
    const write = step.text('access', 'w') === 'w';
    const plan: Plan = {
      ...pagesIn(range),
      write,
      stride: step.int('stride', 1),
      value: step.int('value', 1),
      addIndex: step.int('add_index', 0) !== 0,
      keep: !write && step.int('values', 1) !== 0,
      loopMs: step.int('loop_ms', 0),
    };
    return touch(plan, task, guest);
  },
};

function touch(plan: Plan, task: GuestTask, guest: Guest): JsonObject {
  const { struct } = task.task;
  const minFlt = struct.minFlt;
  const majFlt = struct.majFlt;
  const touched: Touched = { ok: 0, faulted: 0, killed: false, signals: [], values: [] };
  if (plan.loopMs > 0) loop(plan, task, guest, touched);
  else pass(plan, task, guest, touched);
  if (touched.killed) {
    guest.kill(task);
    return deathOf(task.death ?? { signal: 'SIGKILL' });
  }
  const faults = { minflt: struct.minFlt - minFlt, majflt: struct.majFlt - majFlt };
  return {
    ...(plan.loopMs > 0 ? {} : { ok: touched.ok }),
    ...faults,
    ...outcomeOf(plan, touched),
  };
}

function outcomeOf(plan: Plan, { faulted, signals, values }: Touched): JsonObject {
  if (faulted > 0) return { faulted, signals: signalRuns(signals, plan.stride) };
  return plan.keep && plan.loopMs === 0 ? { values: runsOf(values) } : {};
}

function pass(plan: Plan, task: GuestTask, guest: Guest, touched: Touched): void {
  for (let page = 0; page < plan.count; page += plan.stride) {
    guest.words.word = plan.addIndex ? plan.value + page : plan.value;
    const vpn = plan.first + page;
    const result = task.task.access(vpn, plan.write);
    if (result === 'ok') {
      touched.ok++;
      if (plan.keep) touched.values.push(wordAt(guest, task, vpn));
      continue;
    }
    if (result === 'killed') {
      touched.killed = true;
      return;
    }
    const signal = signalOf(task);
    if (touched.faulted === 0) takeSignal(task.task, !task.knowsSignals);
    task.knowsSignals = true;
    touched.faulted++;
    if (plan.keep) touched.values.push(0);
    if (touched.signals.length < SIGNALS_MAX) {
      touched.signals.push({ page, ...signal });
    }
  }
}

/**
 * Passes over the range until so much time has passed. A pass without a fault changes nothing that
 * the next one would see before the next event, so the time until then is skipped.
 */
function loop(plan: Plan, task: GuestTask, guest: Guest, touched: Touched): void {
  const { clock } = guest.machine;
  const end = clock.now + plan.loopMs * NS_PER_MS;
  while (clock.now < end && !touched.killed) {
    const before = task.task.struct.minFlt + task.task.struct.majFlt;
    pass(plan, task, guest, touched);
    const after = task.task.struct.minFlt + task.task.struct.majFlt;
    if (before === after) clock.advance(Math.max(0, Math.min(end, clock.deadline()) - clock.now));
  }
}

/** The signal of the last fault, as the recorder prints it. */
function signalOf(task: GuestTask): { readonly signal: string; readonly lsb: number } {
  const info = task.task.struct.lastSignal;
  if (info === null) throw new StepError('a signal without a reason');
  return { signal: `${info.signal}/${NAMELESS.has(info.code) ? '?' : info.code}`, lsb: info.lsb };
}

/** Signals alike of pages that follow each other, as the recorder groups them. */
function signalRuns(signals: readonly Signal[], stride: number): Json[] {
  const runs: Json[] = [];
  for (let at = 0; at < signals.length; ) {
    const first = signals[at];
    if (first === undefined) break;
    let n = 1;
    for (; at + n < signals.length; n++) {
      const next = signals[at + n];
      const follows = next?.page === first.page + n * stride;
      if (!follows || next.signal !== first.signal || next.lsb !== first.lsb) break;
    }
    const lsb = first.lsb === 0 ? {} : { lsb: first.lsb };
    runs.push({ page: first.page, n, signal: first.signal, ...lsb });
    at += n;
  }
  return runs;
}
