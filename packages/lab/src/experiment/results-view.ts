import { LabError } from '../error/lab-error.js';
import type { Figures, Stats } from './figures.js';

/**
 * What a claim sees of the results: reading something that is not there is an error, never
 * `undefined`.
 */
export class ResultsView {
  constructor(
    private readonly statsByVariant: ReadonlyMap<string, Stats>,
    private readonly figures: Figures | undefined,
  ) {}

  /** Names of the variants that ran, in the order of the experiment. */
  get variants(): readonly string[] {
    return [...this.statsByVariant.keys()];
  }

  /** Did this variant run? `--variant` may have left it out. */
  has(variant: string): boolean {
    return this.statsByVariant.has(variant);
  }

  /**
   * A statistic of a variant.
   *
   * @throws LabError CLAIM_UNCHECKABLE if the variant did not run or does not report it
   */
  stat(variant: string, name: string): number {
    const stats = this.statsByVariant.get(variant);
    if (stats === undefined) throw missing(`variant ${variant} did not run`);
    const value = stats[name];
    if (value === undefined) throw missing(`variant ${variant} reports no ${name}`);
    return value;
  }

  /** Every statistic of a variant. */
  statsOf(variant: string): Stats {
    const stats = this.statsByVariant.get(variant);
    if (stats === undefined) throw missing(`variant ${variant} did not run`);
    return stats;
  }

  /**
   * A value that the experiment's `figures` function found.
   *
   * @throws LabError CLAIM_UNCHECKABLE if there is none of that name
   */
  figure(name: string): number {
    const value = this.figures?.values[name];
    if (value === undefined) throw missing(`there is no figure ${name}`);
    return value;
  }

  /**
   * One column of a table that was found, from the top.
   *
   * @throws LabError CLAIM_UNCHECKABLE if there is no such table or column
   */
  column(table: string, column: string): readonly (string | number)[] {
    const found = this.figures?.tables.find(({ name }) => name === table);
    if (found === undefined) throw missing(`there is no table ${table}`);
    const at = found.columns.indexOf(column);
    if (at < 0) throw missing(`table ${table} has no column ${column}`);
    return found.rows.map((row) => row[at] ?? '');
  }
}

function missing(what: string): LabError {
  return new LabError('CLAIM_UNCHECKABLE', what);
}
