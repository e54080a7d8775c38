import type { Figures, Stats } from '../experiment/figures.js';

/** One variant in `results.json`. */
export interface VariantResult {
  readonly name: string;
  /** Names of its plugins, in order. */
  readonly plugins: readonly string[];
  /** By dotted name, in the order of the names. */
  readonly stats: Stats;
}

/** A claim and whether it holds. */
export interface ClaimResult {
  readonly text: string;
  readonly holds: boolean;
}

/** The content of `results.json`. Same seed, same bytes, apart from `wall.*` and `commit`. */
export interface Results {
  readonly experiment: string;
  readonly question: string;
  readonly seed: number;
  readonly commit: string;
  readonly variants: readonly VariantResult[];
  readonly claims: readonly ClaimResult[];
  readonly figures?: Figures | undefined;
}

/** What every variant reports; a run that lacks one of these is refused. */
export const REQUIRED_STATS = [
  'sim.accesses',
  'sim.ns',
  'access.ns.mean',
  'access.ns.p50',
  'access.ns.p99',
  'access.ns.p999',
  'fault.minor',
  'fault.major',
  'fault.write_protect',
  'migrate.promoted',
  'migrate.demoted',
  'swap.in',
  'swap.out',
  'device.logical_pages.peak',
  'device.physical_bytes.peak',
  'device.physical_bytes.capacity',
  'device.overflow_events',
  'integrity.reads_checked',
  'integrity.lost_pages',
  'integrity.lost_unread_pages',
  'integrity.stale_reads',
  'integrity.leaked_pages',
  'isolation.leaked_allocations',
  'memory.saved_bytes.mean',
  'wall.seconds',
  'wall.accesses_per_second',
] as const;

/** Statistics in the order of their names, required ones filled in with 0. */
export function orderedStats(...parts: readonly Stats[]): Stats {
  const merged = new Map<string, number>(REQUIRED_STATS.map((name) => [name, 0]));
  for (const part of parts)
    for (const [name, value] of Object.entries(part)) merged.set(name, value);
  return Object.fromEntries([...merged].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Figures as `results.json` has them: each value under `figure.*`. */
export function namedFigures(figures: Figures | undefined): Figures | undefined {
  if (figures === undefined) return undefined;
  const named = Object.entries(figures.values).map(([name, value]) => [`figure.${name}`, value]);
  return { values: Object.fromEntries(named), tables: figures.tables };
}

/** The text of `results.json`: keys always in this order, so that equal results are equal bytes. */
export function resultsText(results: Results): string {
  const ordered = {
    experiment: results.experiment,
    question: results.question,
    seed: results.seed,
    commit: results.commit,
    variants: results.variants.map(({ name, plugins, stats }) => ({ name, plugins, stats })),
    claims: results.claims.map(({ text, holds }) => ({ text, holds })),
    ...(results.figures === undefined
      ? {}
      : { figures: { values: results.figures.values, tables: results.figures.tables } }),
  };
  return `${JSON.stringify(ordered, null, 2)}\n`;
}
