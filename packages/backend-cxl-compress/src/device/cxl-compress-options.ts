import { type CostModel, MmError, PAGE_SIZE } from '@mm-lab/mm-core';

/** Threshold interrupts that go wrong: a safe driver survives them or says that it does not. */
export interface InterruptFaults {
  /** Share of interrupts that never arrive, 0..1. Default 0. */
  readonly lossProbability?: number;
  /** Share of interrupts that arrive `lateNs` later, 0..1. Default 0. */
  readonly lateProbability?: number;
  /** Additional delay of a late interrupt, in ns. Default 0. A late one may be overtaken. */
  readonly lateNs?: number;
  /** Seed of the choice. Default 1. */
  readonly seed?: number;
}

/** A CXL memory device with inline compression. */
export interface CxlCompressOptions {
  /** Name of the device and of its plugin; drivers find it by this name. Default 'cxl0'. */
  readonly name?: string;
  /** Pages of 4 KiB that the host may address (L), 1..2^28. */
  readonly logicalPages: number;
  /** Bytes that the medium really has (C), at least one page. */
  readonly capacityBytes: number;
  /**
   * Codec of the engine, by the name that `PageData` knows ('lz4', 'zstd-1', 'zstd-3', 'deflate').
   * Default 'lz4'.
   */
  readonly codec?: string;
  /**
   * Bytes that are compressed alone: a power of two, 256..4096. Default 4096. Smaller blocks read
   * less for one line and compress worse. Larger ones would span pages, which move one by one.
   */
  readonly blockBytes?: number;
  /**
   * The medium is given out in sectors of this many bytes: a power of two, 16..4096. Default 64. A
   * page's blocks are packed back to back and the page is rounded up once, so placement loses half
   * a sector per page on average. Simplified: a device that aligns every block loses that per
   * block.
   */
  readonly granuleBytes?: number;
  /**
   * Bytes of bookkeeping per stored page that come off the capacity, 0..4096. Default 0: a table of
   * fixed size is taken to be outside of the capacity that the vendor states.
   */
  readonly metadataBytes?: number;
  /** Usage above which the low interrupt is raised, in bytes. Default `lowFraction` of C. */
  readonly lowBytes?: number;
  /** Usage below which the high interrupt is raised, in bytes. Default `highFraction` of C. */
  readonly highBytes?: number;
  /** Default 0.9, less if that leaves no room for 128 raw pages; at least 0.5. */
  readonly lowFraction?: number;
  /** Default 8/9 of the default `lowFraction`. Below it: the gap is the hysteresis. */
  readonly highFraction?: number;
  /**
   * From the crossing of a threshold to the driver's handler, in ns. Default `interrupt` of the
   * machine's cost table (R: recalled; sweep 5 us to 100 ms).
   */
  readonly interruptNs?: number;
  readonly interruptFaults?: InterruptFaults;
  /**
   * Load of a line that is held compressed, decompression included, in ns. Default `cramLine` of
   * the machine's cost table (S9).
   */
  readonly lineNs?: number;
  /**
   * Bandwidth of copies from and to the device, in bytes per ns. Default `cxlBandwidth` of the
   * machine's cost table (S22).
   */
  readonly bytesPerNs?: number;
  /** Bytes per ns that the one decompression engine yields. Default 13.3 (S9, RST engine). */
  readonly engineBytesPerNs?: number;
  /** Simulated ns after which a small change of usage is traced too. Default 1,000,000. */
  readonly traceIntervalNs?: number;
}

/** Options with every default filled in and every rule checked. */
export type CxlCompressSettings = Readonly<
  Required<Omit<CxlCompressOptions, 'interruptFaults' | 'lowFraction' | 'highFraction'>>
> & { readonly interruptFaults: Readonly<Required<InterruptFaults>> };

/** Settings before the machine is known: what its cost table gives may be missing. */
export type CxlCompressChoices = Omit<CxlCompressSettings, CostedSetting> &
  Readonly<Pick<CxlCompressOptions, CostedSetting>>;
type CostedSetting = 'lineNs' | 'interruptNs' | 'bytesPerNs';

/**
 * Raw pages that fit above the default low mark: two batches of kswapd and a run of direct reclaim,
 * of 32 pages each, and as much again.
 */
const HEADROOM_PAGES = 128;
const LOGICAL_PAGES_MAX = 2 ** 28;
const BLOCK_BYTES_MIN = 256;
const GRANULE_BYTES_MIN = 16;

/** Fills in what the machine's costs give. */
export function settingsOf(choices: CxlCompressChoices, cost: CostModel): CxlCompressSettings {
  const { ns } = cost;
  const lineNs = choices.lineNs ?? ns.cramLine;
  const interruptNs = choices.interruptNs ?? ns.interrupt;
  const bytesPerNs = choices.bytesPerNs ?? cost.bytesPerNs.cxlBandwidth;
  return Object.freeze({ ...choices, lineNs, interruptNs, bytesPerNs });
}

/**
 * Fills in the defaults that need no machine, and checks.
 *
 * @throws MmError DEVICE_BAD_OPTION that names the option, its value and its range
 */
export function choicesOf(options: CxlCompressOptions): CxlCompressChoices {
  const name = options.name ?? 'cxl0';
  const check = new OptionCheck(name);
  check.that(name !== '', 'name is empty');
  const { logicalPages, capacityBytes } = options;
  check.integer('logicalPages', logicalPages, [1, LOGICAL_PAGES_MAX]);
  check.integer('capacityBytes', capacityBytes, [PAGE_SIZE, Number.MAX_SAFE_INTEGER]);
  const choices: CxlCompressChoices = {
    name,
    logicalPages,
    capacityBytes,
    codec: options.codec ?? 'lz4',
    blockBytes: options.blockBytes ?? PAGE_SIZE,
    granuleBytes: options.granuleBytes ?? 64,
    metadataBytes: options.metadataBytes ?? 0,
    lowBytes: markOf(check, options, 'low', lowFractionOf(capacityBytes)),
    highBytes: markOf(check, options, 'high', (8 / 9) * lowFractionOf(capacityBytes)),
    interruptFaults: faultsOf(check, options.interruptFaults ?? {}),
    engineBytesPerNs: options.engineBytesPerNs ?? 13.3,
    traceIntervalNs: options.traceIntervalNs ?? 1_000_000,
    ...(options.interruptNs === undefined ? {} : { interruptNs: options.interruptNs }),
    ...(options.lineNs === undefined ? {} : { lineNs: options.lineNs }),
    ...(options.bytesPerNs === undefined ? {} : { bytesPerNs: options.bytesPerNs }),
  };
  checkChoices(check, choices);
  return Object.freeze(choices);
}

/**
 * The low mark if nothing is said: 90 % of the capacity, but with room above it for
 * `HEADROOM_PAGES` pages that do not shrink, and never below half of the capacity. What comes in
 * before the interrupt is served has to fit there (cost model specification, H2).
 */
function lowFractionOf(capacityBytes: number): number {
  const room = (HEADROOM_PAGES * PAGE_SIZE) / capacityBytes;
  return Math.max(0.5, Math.min(0.9, 1 - room));
}

/** Where a threshold lies: given in bytes, or as a fraction of the capacity. */
function markOf(
  check: OptionCheck,
  options: CxlCompressOptions,
  mark: 'low' | 'high',
  fractionDefault: number,
): number {
  const bytes = options[`${mark}Bytes`];
  const fraction = options[`${mark}Fraction`];
  check.that(
    bytes === undefined || fraction === undefined,
    `${mark}Bytes and ${mark}Fraction are both given: give one`,
  );
  if (bytes !== undefined) return bytes;
  check.number(`${mark}Fraction`, fraction ?? fractionDefault, [0, 1]);
  return Math.floor((fraction ?? fractionDefault) * options.capacityBytes);
}

function faultsOf(check: OptionCheck, faults: InterruptFaults): Required<InterruptFaults> {
  const filled = {
    lossProbability: faults.lossProbability ?? 0,
    lateProbability: faults.lateProbability ?? 0,
    lateNs: faults.lateNs ?? 0,
    seed: faults.seed ?? 1,
  };
  check.number('interruptFaults.lossProbability', filled.lossProbability, [0, 1]);
  check.number('interruptFaults.lateProbability', filled.lateProbability, [0, 1]);
  check.number('interruptFaults.lateNs', filled.lateNs, [0, Number.MAX_VALUE]);
  check.integer('interruptFaults.seed', filled.seed, [-(2 ** 31), 2 ** 32 - 1]);
  return filled;
}

function checkChoices(check: OptionCheck, choices: CxlCompressChoices): void {
  check.that(choices.codec !== '', 'codec is empty');
  check.powerOfTwo('blockBytes', choices.blockBytes, [BLOCK_BYTES_MIN, PAGE_SIZE]);
  check.powerOfTwo('granuleBytes', choices.granuleBytes, [GRANULE_BYTES_MIN, PAGE_SIZE]);
  check.integer('metadataBytes', choices.metadataBytes, [0, PAGE_SIZE]);
  check.integer('lowBytes', choices.lowBytes, [1, choices.capacityBytes - 1]);
  check.integer('highBytes', choices.highBytes, [1, choices.capacityBytes - 1]);
  check.that(
    choices.highBytes < choices.lowBytes,
    `the high mark ${choices.highBytes} is not below the low mark ${choices.lowBytes}`,
  );
  check.number('interruptNs', choices.interruptNs ?? 0, [0, Number.MAX_VALUE]);
  check.number('lineNs', choices.lineNs ?? 1, [Number.MIN_VALUE, Number.MAX_VALUE]);
  check.number('bytesPerNs', choices.bytesPerNs ?? 1, [1e-6, Number.MAX_VALUE]);
  check.number('engineBytesPerNs', choices.engineBytesPerNs, [1e-6, Number.MAX_VALUE]);
  check.number('traceIntervalNs', choices.traceIntervalNs, [1, Number.MAX_VALUE]);
}

type Range = readonly [min: number, max: number];

/** Says what is wrong with an option, in one way. */
class OptionCheck {
  constructor(private readonly plugin: string) {}

  that(condition: boolean, detail: string): void {
    if (!condition) throw new MmError('DEVICE_BAD_OPTION', { plugin: this.plugin, detail });
  }

  number(option: string, value: number, [min, max]: Range): void {
    const isFine = Number.isFinite(value) && value >= min && value <= max;
    this.that(isFine, `${option} is ${value}, not in ${min}..${max}`);
  }

  integer(option: string, value: number, range: Range): void {
    this.that(Number.isInteger(value), `${option} is ${value}, not a whole number`);
    this.number(option, value, range);
  }

  powerOfTwo(option: string, value: number, range: Range): void {
    this.integer(option, value, range);
    this.that(Number.isInteger(Math.log2(value)), `${option} is ${value}, not a power of two`);
  }
}
