import { formatBytes } from '../command/size.js';
import { count } from '../progress/count.js';

/** How a statistic is shown and which of two values is the better one. */
export interface StatFact {
  /** By dotted name. */
  readonly name: string;
  /** Short heading. */
  readonly label: string;
  /** In words, for the report. */
  readonly meaning: string;
  readonly unit: 'count' | 'ns' | 'bytes' | 'seconds' | 'pages';
  /** `zero`: anything above 0 is a failure, not a cost. */
  readonly better: 'low' | 'high' | 'zero' | 'neither';
}

/** Statistics of the comparison, the ones that decide first. */
export const STAT_FACTS: readonly StatFact[] = [
  {
    name: 'sim.ns',
    label: 'run time',
    meaning: 'simulated time of the whole run',
    unit: 'ns',
    better: 'low',
  },
  {
    name: 'access.ns.mean',
    label: 'mean',
    meaning: 'mean latency of an access, faults included',
    unit: 'ns',
    better: 'low',
  },
  {
    name: 'access.ns.p99',
    label: 'p99',
    meaning: '99 of 100 accesses take at most this',
    unit: 'ns',
    better: 'low',
  },
  {
    name: 'access.ns.p999',
    label: 'p99.9',
    meaning: '999 of 1000 accesses take at most this',
    unit: 'ns',
    better: 'low',
  },
  {
    name: 'integrity.lost_pages',
    label: 'lost',
    meaning: 'pages that were read, or whose loss was reported, after their contents were lost',
    unit: 'count',
    better: 'zero',
  },
  {
    name: 'device.overflow_events',
    label: 'overflow',
    meaning: 'stores that the device had no room for',
    unit: 'count',
    better: 'zero',
  },
  {
    name: 'fault.major',
    label: 'major',
    meaning: 'faults that waited for swap',
    unit: 'count',
    better: 'low',
  },
  {
    name: 'fault.write_protect',
    label: 'wp',
    meaning: 'write-protect faults',
    unit: 'count',
    better: 'low',
  },
  {
    name: 'migrate.promoted',
    label: 'promoted',
    meaning: 'pages moved to faster memory',
    unit: 'pages',
    better: 'neither',
  },
  {
    name: 'migrate.demoted',
    label: 'demoted',
    meaning: 'pages moved to slower memory',
    unit: 'pages',
    better: 'neither',
  },
  {
    name: 'swap.in',
    label: 'swapped in',
    meaning: 'pages read back from swap',
    unit: 'pages',
    better: 'low',
  },
  {
    name: 'swap.out',
    label: 'swapped out',
    meaning: 'pages written to swap',
    unit: 'pages',
    better: 'low',
  },
  {
    name: 'device.physical_bytes.peak',
    label: 'device peak',
    meaning: 'most bytes the device held at once',
    unit: 'bytes',
    better: 'neither',
  },
  {
    name: 'memory.saved_bytes.mean',
    label: 'saved',
    meaning: 'bytes that stored pages shrink by, freed but unscrubbed ones included, on average',
    unit: 'bytes',
    better: 'high',
  },
  {
    name: 'fault.minor',
    label: 'minor',
    meaning: 'faults without waiting',
    unit: 'count',
    better: 'neither',
  },
  {
    name: 'integrity.lost_unread_pages',
    label: 'lost unread',
    meaning: 'mapped pages whose contents are lost at the end and that nobody has read since',
    unit: 'count',
    better: 'zero',
  },
];

/** The fact of a statistic; one that nobody described is a plain number. */
export function statFact(name: string): StatFact {
  const found = STAT_FACTS.find((fact) => fact.name === name);
  return found ?? { name, label: name, meaning: name, unit: 'count', better: 'neither' };
}

/** The statistics to show: the experiment's own first, then the usual ones. */
export function shownStats(columns: readonly string[]): readonly StatFact[] {
  const names = new Set([...columns, ...STAT_FACTS.map(({ name }) => name)]);
  return [...names].map(statFact);
}

/** A value with its unit, in at most some eight characters. */
export function formatStat({ unit }: Pick<StatFact, 'unit'>, value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (unit === 'ns') return formatNs(value);
  if (unit === 'bytes') return formatBytes(value);
  if (unit === 'seconds') return formatNs(value * 1e9);
  return count(value);
}

/** `98.4 ns`, `3.20 µs`, `1.25 ms`, `33.0 s`. */
export function formatNs(ns: number): string {
  const units = ['ns', 'µs', 'ms', 's'];
  let value = ns;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = value === 0 || value >= 999.5 ? String(Math.round(value)) : value.toPrecision(3);
  return `${digits} ${units[unit]}`;
}
