/**
 * Names of the series. Gauges: `node.<nid>.used_pages`, `node.<nid>.pages`,
 * `device.physical_bytes`, `device.capacity_bytes`, `pressure`. Counters, cumulative: the others.
 */
export const SERIES_COUNTERS = [
  'fault.minor',
  'fault.major',
  'fault.write_protect',
  'migrate.promoted',
  'migrate.demoted',
  'swap.in',
  'swap.out',
] as const;

/** Gauges that are not of a node. */
export const SERIES_GAUGES = [
  'device.physical_bytes',
  'device.capacity_bytes',
  'pressure',
] as const;

/** Columns that get a counter track in the trace file, and the unit of their values. */
export const COUNTERS_IN_TRACE: readonly { readonly matches: RegExp; readonly unit: string }[] = [
  { matches: /^node\.\d+\.used_pages$/, unit: 'pages' },
  { matches: /^device\..*_bytes$/, unit: 'bytes' },
  { matches: /^pressure$/, unit: 'permille' },
  { matches: /^(?:fault|migrate|swap)\./, unit: 'events' },
];

/** All column names of a machine with these nodes. */
export function seriesColumns(nids: readonly number[]): readonly string[] {
  return [
    ...nids.flatMap((nid) => [`node.${nid}.used_pages`, `node.${nid}.pages`]),
    ...SERIES_GAUGES,
    ...SERIES_COUNTERS,
  ];
}
