/**
 * How a number is known: P primary text read, A abstract only, S secondary, M measured by us in a
 * KVM guest, C computed and checked against brute force, D arithmetic on marked inputs, R recalled
 * and unverified.
 */
export type CostMark = 'P' | 'A' | 'S' | 'M' | 'C' | 'D' | 'R';

/** Nanoseconds, bytes per nanosecond (which is GB/s), or a plain number. */
export type CostUnit = 'ns' | 'B/ns' | 'count';

/** The shipped sets of values (cost model specification, 1.9). */
export const COST_PRESETS = ['conservative', '2026-server'] as const;
export type CostPreset = (typeof COST_PRESETS)[number];

/** One number and where it is from. */
export interface CostFact {
  readonly value: number;
  readonly mark: CostMark;
  /** Source by the numbers of the cost model specification, section 6. */
  readonly source: string;
  /** Range over which a result must be shown to hold; every R number has one. */
  readonly sweep?: readonly [low: number, high: number];
}

/** A cost: what it is, and its value in each preset. */
export interface CostRow<Unit extends CostUnit = CostUnit> {
  readonly unit: Unit;
  readonly meaning: string;
  readonly facts: Readonly<Record<CostPreset, CostFact>>;
}

type Known = readonly [value: number, mark: CostMark, source: string];

/**
 * Every number that the model charges, and those that it will (`RESERVED_COSTS`). A whole fault
 * (`anonFault`, `cowFault`, …) has its trap, allocation and copy in it: a path charges the whole or
 * the parts, and never a difference of two medians. Not here: the ratio distribution of 1.9, which
 * is the workload's.
 */
export const COST_TABLE = {
  // One line of 64 bytes, and bandwidth (1.1, 1.2).
  dramLine: same('ns', 'load of a line from local DRAM', [100, 'R', 'S20 ships it'], [80, 120]),
  remoteLine: same('ns', 'load of a line one socket away', [150, 'P', 'S21 Pond'], [130, 200]),
  cxlLine: same('ns', 'load of a line from CXL memory', [250, 'P', 'S18; sweep S17'], [140, 410]),
  cramLine: split(
    'ns',
    'load of a line that the device holds compressed',
    [1000, 'P', 'S9 concurrent accesses queue'],
    [250, 'P', 'S9 OCP tiered memory expander'],
    [110, 1000],
  ),
  linesInFlight: same('count', 'lines a copy has under way', [12, 'R', 'assumed in 1.5'], [4, 20]),
  dramBandwidth: same('B/ns', 'one DDR5 channel', [38, 'P', 'S22; S19 38.4 peak'], [19.2, 51.2]),
  cxlBandwidth: split(
    'B/ns',
    'read bandwidth of a CXL device',
    [17.8, 'P', 'S18 read only, x8'],
    [30, 'D', 'S22 68 less 38 GB/s'],
    [15, 76],
  ),

  // Faults of 4 KiB (1.3).
  trap: split(
    'ns',
    'floor of any fault: entry, walk, lock, exit',
    [800, 'S', 'S15, preset of 1.9'],
    [660, 'M', 'write-protect fault without a copy'],
    [500, 1500],
  ),
  anonFault: split(
    'ns',
    'whole first-touch fault of an anonymous page, zeroing included',
    [1010, 'S', 'S16 Linux 6.6 median'],
    [780, 'P', 'S15 Ryzen 7950X guest'],
    [580, 1600],
  ),
  hugeFault: same('ns', 'whole first touch of 2 MiB', [200_000, 'M', 'warm'], [170_000, 230_000]),
  zeroPageFault: split(
    'ns',
    'whole read fault that maps the zero page',
    [800, 'D', 'trap floor of this preset'],
    [600, 'M', 'median'],
    [500, 1500],
  ),
  zeroPageCow: same('ns', 'whole write fault on the zero page', [1600, 'M', 'median'], [780, 1600]),
  cowFault: split(
    'ns',
    'whole copy-on-write fault that copies from DRAM',
    [2500, 'M', 'high median'],
    [1900, 'M', 'low median'],
    [1200, 2500],
  ),
  wpReuse: split(
    'ns',
    'whole write-protect fault whose page is reused',
    [800, 'D', 'trap floor of this preset'],
    [660, 'M', 'median'],
    [500, 1500],
  ),
  hintFault: same('ns', 'NUMA hint fault, no migration', [800, 'R', 'trap floor'], [600, 1500]),
  mprotectPage: same(
    'ns',
    'mprotect of an area that maps something, own flush included',
    [2000, 'M', 'one page alone'],
    [1000, 2000],
  ),

  // Copy, clear, migrate (1.4, 1.5).
  migratePage: same(
    'ns',
    'migration of 4 KiB between DRAM nodes: copy included, flush not (a)',
    [1240, 'D', 'S29 3.31 GB/s'],
    [620, 2480],
  ),
  migrateEntry: same(
    'ns',
    'taking away and restoring one page-table entry, within migratePage',
    [253, 'D', 'S29 from the points of 4 KiB and 1 MiB'],
    [126, 506],
  ),
  migrateHugePage: same(
    'ns',
    'migration of 2 MiB between DRAM nodes as published; the model adds up its parts',
    [190_000, 'D', 'S29 11.02 GB/s'],
    [95_000, 380_000],
  ),
  copyPage: same(
    'ns',
    'the copy within migratePage, 4 KiB from DRAM to DRAM',
    [320, 'D', 'S29 copy share 25-26.6 % of migratePage'],
    [310, 750],
  ),
  zeroPage: same('ns', 'clear_page of 4 KiB', [300, 'S', 'S30 Milan 13.7 GB/s'], [300, 480]),
  tlbFlush: same(
    'ns',
    'TLB shootdown with one active CPU in the mm, paid once a batch (b)',
    [3600, 'D', 'S29 b = 2.94 a, sweep S28'],
    [1000, 50_000],
  ),
  tlbFlushPerCpu: same(
    'ns',
    'what each further active CPU adds to a shootdown',
    [190, 'D', 'S28 slope 4 to 256 cores'],
    [100, 3000],
  ),
  flushBatch: same('count', 'pages that share one shootdown', [512, 'P', 'S29 batched migration']),
  lruDrainAll: same('ns', 'lru_add_drain_all, one CPU', [10_000, 'R', 'H9'], [1000, 1_000_000]),
  lruDrainPerCpu: same('ns', 'what each further CPU adds to it', [1000, 'R', 'H9'], [100, 50_000]),

  // Swap, per page of 4 KiB (1.3, 1.6).
  swapInKernel: same(
    'ns',
    'whole swap-in fault less the codec',
    [1820, 'P', 'S15 1.82-1.90; S31 1.25 and the LPC slide 2.96 disagree'],
    [1250, 2960],
  ),
  swapOutLz4: same('ns', 'whole zram store, lz4', [5330, 'P', 'S15 batched'], [3000, 40_000]),
  swapOutLzoRle: same(
    'ns',
    'whole zram store, lzo-rle',
    [5160, 'P', 'S15 batched'],
    [3000, 40_000],
  ),
  swapOutZstd: same('ns', 'whole zram store, zstd-3', [13_110, 'P', 'S15 batched'], [3000, 40_000]),
  decompressLz4: same('ns', 'lz4 codec of a load', [1430, 'P', 'S15'], [1200, 5250]),
  decompressLzoRle: same(
    'ns',
    'lzo-rle codec of a load',
    [1880, 'P', 'S15, slide 0.32'],
    [320, 5250],
  ),
  decompressZstd: same('ns', 'zstd-3 codec of a load', [4730, 'P', 'S15'], [3900, 13_000]),
  diskRead: same('ns', 'NVMe read of a page', [90_000, 'R', '1.3: 80-100 us'], [20_000, 200_000]),
  diskWrite: same('ns', 'NVMe write of a page', [30_000, 'R', 'none found'], [10_000, 200_000]),
  diskKernel: same('ns', 'kernel part of disk swap', [3000, 'R', '1.3: about 3 us'], [1820, 6000]),

  // Allocation and reclaim: no source gives these alone; each is part of a whole fault above.
  alloc: same('ns', 'a page from the free lists', [200, 'R', 'none found'], [50, 1000]),
  scanPage: same('ns', 'reclaim looks at one page', [100, 'R', 'none found'], [30, 500]),
  kswapdWake: same('ns', 'wake-up to first scan', [5000, 'R', 'none found'], [1000, 50_000]),

  // Control path of a device (1.7).
  interrupt: split(
    'ns',
    'threshold crossed to handler running (MSI-X, threaded)',
    [1_000_000, 'R', 'preset of 1.9'],
    [50_000, 'R', 'preset of 1.9'],
    [5000, 100_000_000],
  ),
  mailbox: split(
    'ns',
    'round trip of a mailbox command',
    [1_000_000, 'R', '1.7: 10 us to 1 ms'],
    [100_000, 'R', '1.7: 10 us to 1 ms'],
    [5000, 100_000_000],
  ),
  mailboxTimeout: same('ns', 'driver gives a command up', [2_000_000_000, 'P', 'S32']),
  flushPeriod: same(
    'ns',
    'period of the flush thread',
    [1_000_000_000, 'P', 'S3 module parameter'],
    [1_000_000, 5_000_000_000],
  ),
  flushPoll: same('ns', 'poll interval of a flush command', [1_000_000_000, 'P', 'S3']),
  flushPolls: same('count', 'polls before a flush command is given up', [30, 'P', 'S3']),
} as const satisfies Record<string, CostRow>;

/** Name of a cost. */
export type CostName = keyof typeof COST_TABLE;
type NamesOf<Unit extends CostUnit> = {
  [Name in CostName]: (typeof COST_TABLE)[Name] extends CostRow<Unit> ? Name : never;
}[CostName];
export type NsName = NamesOf<'ns'>;
export type BandwidthName = NamesOf<'B/ns'>;
export type CountName = NamesOf<'count'>;

/**
 * Rows that no path charges yet, so that changing one changes nothing: a node says how far it is
 * (`remoteLine`), writeback is not waited for, an allocation is part of a whole fault, a move of
 * 2 MiB is the sum of its parts, and a hint fault of NUMA balancing costs its trap alone.
 */
export const RESERVED_COSTS: readonly CostName[] = [
  'remoteLine',
  'hintFault',
  'migrateHugePage',
  'diskWrite',
  'alloc',
];

/** Every name, in the order of the table. */
export const COST_NAMES: readonly CostName[] = Object.keys(COST_TABLE).filter(isCostName);

function isCostName(name: string): name is CostName {
  return Object.hasOwn(COST_TABLE, name);
}

/** A cost that both presets agree on. */
function same<Unit extends CostUnit>(
  unit: Unit,
  meaning: string,
  known: Known,
  sweep?: CostFact['sweep'],
): CostRow<Unit> {
  const fact = factOf(known, sweep);
  return { unit, meaning, facts: { conservative: fact, '2026-server': fact } };
}

function split<Unit extends CostUnit>(
  unit: Unit,
  meaning: string,
  conservative: Known,
  server: Known,
  sweep: CostFact['sweep'],
): CostRow<Unit> {
  const facts = { conservative: factOf(conservative, sweep), '2026-server': factOf(server, sweep) };
  return { unit, meaning, facts };
}

function factOf([value, mark, source]: Known, sweep: CostFact['sweep']): CostFact {
  return sweep === undefined ? { value, mark, source } : { value, mark, source, sweep };
}
