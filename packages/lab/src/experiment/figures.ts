import type { Params } from './experiment.js';

/** Statistics of one run by dotted name. */
export type Stats = Readonly<Record<string, number>>;

/** What `figures` may do: run a variant again, at other parameters, in a worker of its own. */
export interface FigureRunner {
  readonly seed: number;
  /** The experiment's parameters, with `--param` applied. */
  readonly params: Params;
  /**
   * Runs a variant with some parameters changed and returns its statistics. Calls may overlap: as
   * many run at once as there are processors.
   *
   * @throws LabError VARIANT_UNKNOWN, OPTION_BAD for a parameter that the experiment does
   *   not declare
   */
  run(variant: string, params?: Params): Promise<Stats>;
  /** Says in one line what is being looked for, for the progress display. */
  say(line: string): void;
}

/** A table of results, and perhaps the chart to draw of it. */
export interface FigureTable {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly chart?: FigureChart | undefined;
}

/** Lines over a column; columns by name. */
export interface FigureChart {
  readonly x: string;
  readonly y: readonly string[];
  readonly xLog?: boolean | undefined;
  readonly yLog?: boolean | undefined;
  readonly xTitle?: string | undefined;
  readonly yTitle?: string | undefined;
}

/** What a `figures` function finds. */
export interface Figures {
  /** By dotted name; a claim reads them with `figure(name)`. */
  readonly values: Readonly<Record<string, number>>;
  readonly tables: readonly FigureTable[];
}
