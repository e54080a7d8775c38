export { compareExperiment } from './compare/compare-experiment.js';
export type { CompareOptions } from './compare/compare-options.js';
export { LAB_ERRORS, LabError, type LabErrorCode } from './error/lab-error.js';
export { defineExperiment, mistakesOf } from './experiment/define-experiment.js';
export type {
  ClaimDefinition,
  Experiment,
  ExperimentDefinition,
  ExperimentMachine,
  MachineChange,
  OracleConfig,
  Params,
  VariantContext,
  VariantDefinition,
} from './experiment/experiment.js';
export type {
  BarChart,
  FigureChart,
  FigureRunner,
  Figures,
  FigureTable,
  LineChart,
  PlaneChart,
  PlaneCurve,
  Stats,
} from './experiment/figures.js';
export { ResultsView } from './experiment/results-view.js';
export { type BackendTour, tourBackends } from './hooks/backend-tour.js';
export { type HookMap, hookMap, type MappedService, type MappedSite } from './hooks/hook-map.js';
export { defineProbe } from './probe/define-probe.js';
export type { Probe, ProbeContext, ProbeDefinition } from './probe/probe.js';
export { type ProbeOptions, type ProbeOutcome, runProbe } from './probe/run-probe.js';
export type { ClaimResult, Results, VariantResult } from './results/results.js';
export type {
  ContentsSpec,
  GeneratedTrace,
  GeneratedWorkload,
  PlayedWorkload,
  TraceWorkload,
  WorkloadSpec,
} from './workload/workload-spec.js';
