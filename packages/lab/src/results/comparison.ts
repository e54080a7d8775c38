import type { Stats } from '../experiment/figures.js';
import type { VariantResult } from './results.js';
import { formatStat, type StatFact } from './stat-facts.js';

/** How a cell stands among the variants that are not bounds. */
export type Standing = 'best' | 'worst' | 'failure' | 'plain';

/** One value of the comparison. */
export interface Cell {
  readonly fact: StatFact;
  readonly value: number;
  readonly text: string;
  readonly standing: Standing;
  /** The value over the first bound's, where that says something: times and latencies. */
  readonly ratio: number | undefined;
}

/** One variant's values. */
export interface ComparisonRow {
  readonly variant: string;
  readonly bound: boolean;
  /** How the variant ended, if its program did not survive to the end of the trace. */
  readonly ending: string | undefined;
  readonly cells: readonly Cell[];
}

/**
 * Variants against statistics. Columns in which every variant has 0 are left out, unless 0 is what
 * they promise.
 */
export function comparisonOf(options: {
  readonly variants: readonly VariantResult[];
  /** Names of the bounds; the first one is what ratios are of. */
  readonly bounds: readonly string[];
  readonly facts: readonly StatFact[];
}): readonly ComparisonRow[] {
  const { variants, bounds } = options;
  const facts = options.facts.filter(
    ({ name, better }) =>
      better === 'zero' || variants.some(({ stats }) => (stats[name] ?? 0) !== 0),
  );
  const reference = variants.find(({ name }) => name === bounds[0]);
  // A program that was killed early was not fast.
  const contest = variants.filter(({ stats }) => endingOf(stats) === undefined);
  const rivals = contest.filter(({ name }) => !bounds.includes(name));
  return variants.map((variant) => ({
    variant: variant.name,
    bound: bounds.includes(variant.name),
    ending: endingOf(variant.stats),
    cells: facts.map((fact) => {
      const value = variant.stats[fact.name] ?? 0;
      const of = fact.unit === 'ns' ? reference?.stats[fact.name] : undefined;
      return {
        fact,
        value,
        text: formatStat(fact, value),
        standing: standingOf(fact, value, rivals.includes(variant) ? rivals : []),
        ratio: of === undefined || of === 0 || !contest.includes(variant) ? undefined : value / of,
      };
    }),
  }));
}

function endingOf(stats: Stats): string | undefined {
  if (stats['sim.completed'] !== 0) return undefined;
  const { 'sim.rows': rows = 0, 'sim.rows_of': of = 0 } = stats;
  const share = of === 0 ? 0 : Math.floor((rows / of) * 100);
  return `killed after ${share} % of the trace`;
}

function standingOf(fact: StatFact, value: number, rivals: readonly VariantResult[]): Standing {
  if (fact.better === 'zero') return value === 0 ? 'plain' : 'failure';
  if (fact.better === 'neither' || rivals.length < 2) return 'plain';
  const values = rivals.map(({ stats }) => stats[fact.name] ?? 0);
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (low === high) return 'plain';
  const [best, worst] = fact.better === 'low' ? [low, high] : [high, low];
  // A tie distinguishes nobody.
  if (values.filter((other) => other === value).length > 1) return 'plain';
  if (value === best) return 'best';
  return value === worst ? 'worst' : 'plain';
}
