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
  /**
   * The rows are there to be drawn: the report folds them away, the terminal and
   * docs/discussion.md leave them out. `results.json` has them all.
   */
  readonly plotOnly?: boolean | undefined;
}

/** What is drawn of a table. */
export type FigureChart = LineChart | PlaneChart | BarChart;

interface ChartAxes {
  readonly xLog?: boolean | undefined;
  readonly yLog?: boolean | undefined;
  readonly xTitle?: string | undefined;
  readonly yTitle?: string | undefined;
}

/** Lines over a column; columns by name. */
export interface LineChart extends ChartAxes {
  readonly kind?: 'lines' | undefined;
  readonly x: string;
  readonly y: readonly string[];
}

/**
 * Bars: one of each column `y` for each row, which the words in the columns `x` name. What is no
 * number has no bar.
 */
export interface BarChart {
  readonly kind: 'bars';
  readonly x: readonly string[];
  readonly y: readonly string[];
  readonly log?: boolean | undefined;
  readonly title?: string | undefined;
}

/**
 * A plane: each row is a cell at two columns, coloured by a third. Words in that column are kinds,
 * each in its colour; numbers are shades from the least to the largest.
 */
export interface PlaneChart extends ChartAxes {
  readonly kind: 'plane';
  readonly x: string;
  readonly y: string;
  readonly colour: string;
  /** Words that mean a failure: red. The others take the colours of variants. */
  readonly bad?: readonly string[] | undefined;
  /** Curves drawn over the cells, as a rule what a formula predicts. */
  readonly curves?: readonly PlaneCurve[] | undefined;
}

/** A curve over a plane. */
export interface PlaneCurve {
  readonly name: string;
  /** (x, y) in the units of the plane's columns. */
  readonly points: readonly (readonly number[])[];
}

/** What a `figures` function finds. */
export interface Figures {
  /** By dotted name; a claim reads them with `figure(name)`. */
  readonly values: Readonly<Record<string, number>>;
  readonly tables: readonly FigureTable[];
}
