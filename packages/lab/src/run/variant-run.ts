import {
  createMachine,
  type Machine,
  type MachineConfig,
  PageData,
  type Plugin,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  type ReplayEvent,
  replay,
  type Task,
} from '@mm-lab/mm-core';
import { LabError } from '../error/lab-error.js';
import { type Experiment, machineOf, oracleOf, type Params } from '../experiment/experiment.js';
import type { Stats } from '../experiment/figures.js';
import type { LatencyHistogram } from '../record/latency.js';
import { Recorder, type Recording } from '../record/recorder.js';
import { SERIES_COUNTERS } from '../record/series-columns.js';
import { orderedStats } from '../results/results.js';
import {
  addressSpacePlan,
  type PlannedCall,
  type Protection,
} from '../workload/address-space-plan.js';
import { type LoadedWorkload, pageDataOf, playedOf } from '../workload/loaded-workload.js';
import { pricedPlacement } from './priced-placement.js';
import type { VariantOutcome, VariantProgress } from './variant-outcome.js';

/** The time series know how far the program was to this part of the whole. */
const PROGRESS_STEPS = 1000;

/** One variant at one point, in this thread. */
export interface VariantInput {
  readonly experiment: Experiment;
  readonly variant: string;
  readonly seed: number;
  readonly params: Params;
  readonly workload: LoadedWorkload;
  readonly onProgress: (progress: VariantProgress) => void;
}

/** What playing the workload on one machine came to. */
export interface Played {
  readonly stats: Stats;
  readonly recording: Recording;
  readonly latency: LatencyHistogram;
}

/**
 * Builds the variant's machine, plays the workload on it and collects what happened. The only file
 * that knows the machine.
 *
 * @throws MmError for an impossible machine or a plugin that refuses; LabError VARIANT_UNKNOWN
 */
export function runVariant(input: VariantInput): VariantOutcome {
  const { experiment, seed, params, workload } = input;
  const variant = experiment.variants.find(({ name }) => name === input.variant);
  if (variant === undefined) {
    throw new LabError('VARIANT_UNKNOWN', `there is no variant ${input.variant}`);
  }
  const played = playedOf(workload);
  const config = machineOf(experiment, variant, { seed, workload: played });
  const plugins = variant.plugins({ seed, params, machine: config, workload: played });
  const machine = createMachine(config, [contentsPlugin(workload, seed), ...plugins]);
  const outcome = play(machine, config, input);
  const oracle = oracleOf(variant, played);
  return {
    name: variant.name,
    plugins: plugins.map(({ name }) => name),
    ...(oracle === undefined ? outcome : pricedPlacement(outcome, workload, oracle)),
    sites: machine.sites.report(),
    costs: machine.cost.describe(),
  };
}

function play(machine: Machine, config: MachineConfig, input: VariantInput): Played {
  const { trace } = input.workload;
  let row = 0;
  const recorder = new Recorder({
    clock: machine.clock,
    tracepoints: machine.tracepoints,
    nids: config.nodes.map(({ id }) => id),
    sample: () => sampleOf(machine, config),
    progress: () => (trace.rows === 0 ? 1 : row / trace.rows),
  });
  const task = machine.createTask(trace.name);
  const began = performance.now();
  recorder.start();
  const replayed = replay(machine, task, trace, {
    events: replayEvents(input.workload),
    progressRows: Math.ceil(trace.rows / PROGRESS_STEPS),
    onProgress: (rowNow) => {
      row = rowNow;
      input.onProgress({ row, rows: trace.rows, now: machine.clock.now });
    },
  });
  row = replayed.rows;
  const recording = recorder.finish();
  const seconds = (performance.now() - began) / 1000;
  machine.verify();
  const stats = machine.stats();
  const speed = seconds > 0 ? (stats['sim.accesses'] ?? 0) / seconds : 0;
  return {
    recording,
    stats: orderedStats(stats, {
      'sim.accesses': replayed.accesses,
      'sim.rows': replayed.rows,
      'sim.rows_of': trace.rows,
      'sim.completed': replayed.end === 'done' ? 1 : 0,
      'wall.seconds': seconds,
      'wall.accesses_per_second': speed,
    }),
    latency: latencyOf(machine),
  };
}

/** Momentary values and cumulative counters by series column. */
function sampleOf(machine: Machine, config: MachineConfig): Record<string, number> {
  const values: Record<string, number> = {};
  for (const { id } of config.nodes) {
    values[`node.${id}.pages`] = machine.nodes.pgdat(id).managedPages();
    values[`node.${id}.used_pages`] = machine.usedPages(id);
  }
  const stats = machine.stats();
  for (const name of SERIES_COUNTERS) values[name] = stats[name] ?? 0;
  return values;
}

function latencyOf(machine: Machine): LatencyHistogram {
  const entries = machine.engine.latency.entries();
  return { upperNs: entries.map(([ns]) => ns), count: entries.map(([, accesses]) => accesses) };
}

/** Binds the workload's page contents. */
function contentsPlugin(workload: LoadedWorkload, seed: number): Plugin {
  return {
    name: 'page-contents',
    register: (services) => services.bindValue(PageData, pageDataOf(workload, seed)),
  };
}

function replayEvents({ events, trace }: LoadedWorkload): readonly ReplayEvent[] {
  return addressSpacePlan(events ?? [], trace).map(({ row, planned }) => ({
    row,
    apply: (task) => makeCall(task, planned),
  }));
}

/**
 * The recorded call succeeded; one that fails here leaves pages that are mapped when they are
 * touched.
 */
function makeCall(task: Task, planned: PlannedCall): number {
  const { start, pages } = planned.range;
  switch (planned.call) {
    case 'mmap':
      return task.mmap(start, pages, protOf(planned.prot));
    case 'mprotect':
      return task.mprotect(start, pages, protOf(planned.prot));
    case 'munmap':
      return task.munmap(start, pages);
    case 'mremap':
      return task.mremap(start, pages, planned.to, pages);
    case 'madvise':
      return task.madvise(start, pages, planned.advice);
  }
}

function protOf({ readable, writable, executable }: Protection): number {
  const bits = (readable ? PROT_READ : 0) | (writable ? PROT_WRITE : 0);
  return bits | (executable ? PROT_EXEC : 0);
}
