import type { ClaimDefinition, Params } from '../experiment/experiment.js';
import type { Figures } from '../experiment/figures.js';

/** What a probe is run with. */
export interface ProbeContext {
  readonly seed: number;
  /** The probe's parameters, with `--param` applied. */
  readonly params: Params;
  /** Says in one line what is being looked at, for the progress display. */
  say(line: string): void;
}

/** What `defineProbe` takes. */
export interface ProbeDefinition {
  /** The file's name without its ending, if absent. */
  readonly name?: string | undefined;
  readonly question: string;
  readonly seed: number;
  readonly params?: Params | undefined;
  /** Builds machines of its own, asks them, and returns what it found. */
  readonly probe: (context: ProbeContext) => Figures | Promise<Figures>;
  readonly claims?: readonly ClaimDefinition[] | undefined;
}

/**
 * A checked probe: an experiment that plays no trace. It builds small machines, runs system calls
 * on them and returns tables; its claims read the figures alone.
 */
export interface Probe extends ProbeDefinition {
  /** Marks what came out of `defineProbe`. */
  readonly kind: 'mm-lab probe';
  readonly params: Params;
  readonly claims: readonly ClaimDefinition[];
}
