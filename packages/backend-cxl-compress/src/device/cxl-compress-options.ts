import { type CostModel, OptionCheck, PAGE_SIZE } from '@mm-lab/mm-core';
import { type CacheOptions, checkCache } from './decompression-cache.js';
import { type DeviceFaults, type FaultOptions, faultsOf } from './faults.js';
import { type HostCacheOptions, hostCacheOf } from './host-cache.js';
import { type HotPageOptions, hotPagesOf } from './hot-page-monitor.js';
import {
  type MailboxChoices,
  type MailboxOptions,
  type MailboxSettings,
  mailboxChoicesOf,
} from './mailbox-options.js';
import { checkSizes, type SizeSource } from './size-source.js';

/** A CXL memory device with inline compression. */
export interface CxlCompressOptions extends FaultOptions {
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
   * a sector per page on average; with `packing` 'first-fit' blocks lie apart and each is rounded
   * up.
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
  readonly mailbox?: MailboxOptions;
  /** Where compressed sizes come from. Default: the contents, through the codec. */
  readonly sizes?: SizeSource;
  /**
   * How the medium is given out. 'packed' (default): back to back, as if it were compacted at no
   * cost. 'first-fit': each block of `blockBytes` in one piece, at the lowest address with room for
   * it, so that holes come to be between. Or the slots of size classes in bytes, ascending, in
   * chunks of 16 KiB, a page in one slot. Usage counts what fragmentation takes away, as far as
   * `compaction` can't get it back.
   */
  readonly packing?: 'packed' | 'first-fit' | readonly number[];
  /**
   * May the device move what is stored to make room? Holes it closes when contents find no room
   * though there are bytes enough; size classes it packs anew while usage is not below the high
   * mark. Whoever uses the device before it is done waits for the rest. Default: it never does, and
   * what finds no room is lost.
   */
  readonly compaction?: CompactionOptions;
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
  /**
   * Pages kept expanded: a line of one takes `cache.hitNs`, of another `lineNs` and a turn of the
   * engine. The device then sees every row of a trace that touches it, which is slower to simulate.
   * Default: none, and every line takes `lineNs`.
   */
  readonly cache?: CacheOptions;
  /**
   * Do page copies and lines queue for the link at `bytesPerNs`? Default false: they take their
   * time and wait for nobody. As slow to simulate as `cache`.
   */
  readonly linkQueue?: boolean;
  /**
   * Does it watch which pages are hot and nominate them? Default: no. As slow to simulate as
   * `cache`.
   */
  readonly hotPages?: HotPageOptions;
  /**
   * The host's cache before the device, for copies of pages. Default: none is modelled, and no
   * copy to the device reads from it.
   */
  readonly hostCache?: HostCacheOptions;
  /** Simulated ns after which a small change of usage is traced too. Default 1,000,000. */
  readonly traceIntervalNs?: number;
}

/** What moving costs the device. */
export interface CompactionOptions {
  /** Bytes per ns that it moves, each read and written once. Default 13.3, as its engine. */
  readonly bytesPerNs?: number;
}

/** Options with every default filled in and every rule checked. */
export type CxlCompressSettings = PlainSettings &
  DeviceFaults & {
    readonly mailbox: MailboxSettings;
    readonly cache: Required<CacheOptions> | null;
  };
type PlainSettings = Readonly<
  Required<
    Omit<
      CxlCompressOptions,
      keyof FaultOptions | 'mailbox' | 'lowFraction' | 'highFraction' | keyof Optional
    >
  >
> &
  Omit<Optional, 'cache'>;
/** Parts that are not there if nothing is said. */
interface Optional {
  readonly cache: CacheOptions | null;
  readonly hotPages: Required<HotPageOptions> | null;
  readonly hostCache: Required<HostCacheOptions> | null;
  readonly compaction: Required<CompactionOptions> | null;
}

/** Settings before the machine is known: what its cost table gives may be missing. */
export type CxlCompressChoices = Omit<PlainSettings, CostedSetting> &
  Readonly<Pick<CxlCompressOptions, CostedSetting>> &
  DeviceFaults & { readonly mailbox: MailboxChoices; readonly cache: CacheOptions | null };
type CostedSetting = 'lineNs' | 'interruptNs' | 'bytesPerNs';

/**
 * Raw pages that fit above the default low mark: two batches of kswapd and a run of direct reclaim,
 * of 32 pages each, and as much again.
 */
const HEADROOM_PAGES = 128;
const LOGICAL_PAGES_MAX = 2 ** 28;
/** Options that may be missing from what is chosen. */
const OPTIONAL = ['lowFraction', 'highFraction', 'interruptNs', 'lineNs', 'bytesPerNs'];
/** RST engine (S9). */
const ENGINE_BYTES_PER_NS = 13.3;
const PACKINGS = ['packed', 'first-fit'];
/** Sectors and blocks that a medium of holes keeps books of. */
const PLACES_MAX = 2 ** 28;
const CLASSES_MAX = 255;
const BLOCK_BYTES_MIN = 256;
const GRANULE_BYTES_MIN = 16;

/** Fills in what the machine's costs give. */
export function settingsOf(choices: CxlCompressChoices, cost: CostModel): CxlCompressSettings {
  const { ns } = cost;
  const lineNs = choices.lineNs ?? ns.cramLine;
  const interruptNs = choices.interruptNs ?? ns.interrupt;
  const bytesPerNs = choices.bytesPerNs ?? cost.bytesPerNs.cxlBandwidth;
  const mailbox = {
    ...choices.mailbox,
    commandNs: choices.mailbox.commandNs ?? ns.mailbox,
    timeoutNs: choices.mailbox.timeoutNs ?? ns.mailboxTimeout,
  };
  const cache = choices.cache && { hitNs: Math.min(ns.cxlLine, lineNs), ...choices.cache };
  return Object.freeze({ ...choices, lineNs, interruptNs, bytesPerNs, mailbox, cache });
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
    sizes: options.sizes ?? { kind: 'contents' },
    packing: options.packing ?? 'packed',
    compaction: options.compaction === undefined ? null : compactionOf(check, options.compaction),
    ...faultsOf(check, options),
    mailbox: mailboxChoicesOf(check, options.mailbox ?? {}),
    engineBytesPerNs: options.engineBytesPerNs ?? ENGINE_BYTES_PER_NS,
    cache: options.cache ?? null,
    linkQueue: options.linkQueue ?? false,
    hotPages: options.hotPages === undefined ? null : hotPagesOf(check, options.hotPages),
    hostCache: options.hostCache === undefined ? null : hostCacheOf(check, options.hostCache),
    traceIntervalNs: options.traceIntervalNs ?? 1_000_000,
    ...(options.interruptNs === undefined ? {} : { interruptNs: options.interruptNs }),
    ...(options.lineNs === undefined ? {} : { lineNs: options.lineNs }),
    ...(options.bytesPerNs === undefined ? {} : { bytesPerNs: options.bytesPerNs }),
  };
  check.known(options, [...Object.keys(choices), ...OPTIONAL]);
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

function checkChoices(check: OptionCheck, choices: CxlCompressChoices): void {
  check.that(choices.codec !== '', 'codec is empty');
  checkSizes(check, choices.sizes);
  check.powerOfTwo('blockBytes', choices.blockBytes, [BLOCK_BYTES_MIN, PAGE_SIZE]);
  check.powerOfTwo('granuleBytes', choices.granuleBytes, [GRANULE_BYTES_MIN, PAGE_SIZE]);
  check.integer('metadataBytes', choices.metadataBytes, [0, PAGE_SIZE]);
  checkPacking(check, choices);
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
  if (choices.cache !== null) checkCache(check, choices.cache, choices.lineNs);
  check.number('traceIntervalNs', choices.traceIntervalNs, [1, Number.MAX_VALUE]);
}

function compactionOf(check: OptionCheck, options: CompactionOptions): Required<CompactionOptions> {
  check.known(options, ['bytesPerNs']);
  const { bytesPerNs = ENGINE_BYTES_PER_NS } = options;
  check.number('compaction.bytesPerNs', bytesPerNs, [1e-6, Number.MAX_VALUE]);
  return { bytesPerNs };
}

function checkPacking(check: OptionCheck, choices: CxlCompressChoices): void {
  const { packing, compaction, capacityBytes, granuleBytes, logicalPages, blockBytes } = choices;
  const isFree = packing === 'packed' && compaction !== null;
  check.that(!isFree, "compaction is given and packing is 'packed', which wastes nothing");
  if (packing === 'first-fit') {
    const isFiner = granuleBytes <= blockBytes;
    check.that(
      isFiner,
      `granuleBytes is ${granuleBytes}, above blockBytes, which is ${blockBytes}`,
    );
    check.integer('sectors of the medium', Math.floor(capacityBytes / granuleBytes), [
      1,
      PLACES_MAX,
    ]);
    check.integer('blocks of all pages', logicalPages * (PAGE_SIZE / blockBytes), [1, PLACES_MAX]);
  }
  if (typeof packing === 'string') {
    check.word('packing', packing, PACKINGS);
    return;
  }
  check.that(packing.length > 0, 'packing is empty');
  check.that(packing.length < CLASSES_MAX, `packing has ${packing.length} classes, not below 255`);
  let before = 0;
  for (const bytes of packing) {
    check.integer('packing', bytes, [GRANULE_BYTES_MIN, 2 * PAGE_SIZE]);
    check.that(bytes > before, `packing is ${bytes}, not above ${before}`);
    before = bytes;
  }
}
