import type { MachineConfig, Plugin } from '@mm-lab/mm-core';
import type { PlayedWorkload, WorkloadSpec } from '../workload/workload-spec.js';
import type { FigureRunner, Figures } from './figures.js';
import type { ResultsView } from './results-view.js';

/** Numbers that an experiment is parameterised by; `figures` and `--param` may change them. */
export type Params = Readonly<Record<string, number>>;

/** What a variant's plugins are chosen from. */
export interface VariantContext {
  readonly seed: number;
  readonly params: Params;
  /** The machine of this variant, overrides applied. */
  readonly machine: MachineConfig;
  /** What is played, the same for every variant. */
  readonly workload: PlayedWorkload;
}

/** A bound computed from the trace: clairvoyant placement, no mechanism at all. */
export interface OracleConfig {
  /** Pages of near memory it may place. */
  readonly nearPages: number;
  /** Latency of a line of near and of far memory, in nanoseconds. */
  readonly nearLineNs: number;
  readonly farLineNs: number;
  /** Nanoseconds that moving one page costs the program. */
  readonly copyNs: number;
}

/** A machine without its seed, which is the experiment's. */
export type ExperimentMachine = Omit<MachineConfig, 'seed'>;

/** Fields of a machine that a variant replaces. */
export type MachineChange = Partial<ExperimentMachine>;

/** One column of the comparison: a machine and an array of plugins. */
export interface VariantDefinition {
  /** Short and stable: it names the variant on the command line and in results. */
  readonly name: string;
  /** In words, for the report. The name if absent. */
  readonly title?: string | undefined;
  /**
   * `machine` runs the mm; `oracle` runs it too and then prices a placement that knows the future.
   */
  readonly kind?: 'machine' | 'oracle' | undefined;
  /** A bound: the others are compared with it, and it is drawn grey. */
  readonly bound?: boolean | undefined;
  /** Replaces fields of the experiment's machine; `sysctl` and `cost` are merged field by field. */
  readonly machine?: MachineChange | ((workload: PlayedWorkload) => MachineChange) | undefined;
  /** The whole configuration: what is in the array is what is different. */
  readonly plugins: (context: VariantContext) => readonly Plugin[];
  /** Needed by kind `oracle`. */
  readonly oracle?: OracleConfig | ((workload: PlayedWorkload) => OracleConfig) | undefined;
}

/** A sentence about the results that every run checks. */
export interface ClaimDefinition {
  readonly text: string;
  readonly holds: (results: ResultsView) => boolean;
}

/** What `defineExperiment` takes. */
export interface ExperimentDefinition {
  /** The file's name without its ending, if absent. */
  readonly name?: string | undefined;
  readonly question: string;
  readonly seed: number;
  readonly params?: Params | undefined;
  readonly machine: ExperimentMachine;
  readonly workload: WorkloadSpec | ((params: Params) => WorkloadSpec);
  readonly variants: readonly VariantDefinition[];
  /** Statistics to show first, by dotted name. */
  readonly report?: { readonly columns?: readonly string[] | undefined } | undefined;
  readonly claims?: readonly ClaimDefinition[] | undefined;
  /** Runs variants at points of its choosing, for experiments that look for a threshold. */
  readonly figures?: ((runner: FigureRunner) => Promise<Figures>) | undefined;
}

/** A checked experiment: every optional field has its value. */
export interface Experiment extends ExperimentDefinition {
  /** Marks what came out of `defineExperiment`. */
  readonly kind: 'mm-lab experiment';
  readonly params: Params;
  readonly claims: readonly ClaimDefinition[];
  readonly columns: readonly string[];
}

/** The workload of the experiment at these parameters. */
export function workloadOf(experiment: Experiment, params: Params): WorkloadSpec {
  const { workload } = experiment;
  return typeof workload === 'function' ? workload(params) : workload;
}

/** The machine of a variant: the experiment's with the variant's fields over it. */
export function machineOf(
  experiment: Experiment,
  variant: VariantDefinition,
  run: { readonly seed: number; readonly workload: PlayedWorkload },
): MachineConfig {
  const { machine } = experiment;
  const { machine: change = {} } = variant;
  const over = typeof change === 'function' ? change(run.workload) : change;
  return {
    ...machine,
    ...over,
    ...(machine.sysctl || over.sysctl ? { sysctl: { ...machine.sysctl, ...over.sysctl } } : {}),
    ...(machine.cost || over.cost ? { cost: { ...machine.cost, ...over.cost } } : {}),
    seed: run.seed,
  };
}

/** The bound that a variant computes from the trace, if it is one of that kind. */
export function oracleOf(
  variant: VariantDefinition,
  workload: PlayedWorkload,
): OracleConfig | undefined {
  const { oracle } = variant;
  if (variant.kind !== 'oracle') return undefined;
  return typeof oracle === 'function' ? oracle(workload) : oracle;
}
