import { PAGE_SIZE } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import {
  type BandwidthName,
  COST_NAMES,
  COST_PRESETS,
  COST_TABLE,
  type CostFact,
  type CostMark,
  type CostName,
  type CostPreset,
  type CostRow,
  type CostUnit,
  type CountName,
  type NsName,
  RESERVED_COSTS,
} from './cost-table.js';

/** Codecs whose cost in the kernel is known. */
export type SwapCodec = 'lz4' | 'lzo-rle' | 'zstd';

/** What a copy from or to a node depends on; a `Pgdat` is one. */
export interface CopyEnd {
  /** Latency of one line, in ns. */
  readonly lineNs: number;
  /** Bandwidth in bytes per nanosecond. */
  readonly bytesPerNs: number;
}

export interface CopyRoute {
  readonly source: CopyEnd;
  readonly target: CopyEnd;
}

/** What the migration of a folio depends on. */
export interface FolioSize {
  readonly pages: number;
  /** Page-table entries that map it, 1 if an entry of a PMD does. */
  readonly entries: number;
}

/** A row of the table as a machine uses it. */
export interface CostDescription {
  readonly name: CostName;
  readonly meaning: string;
  readonly unit: CostUnit;
  readonly value: number;
  readonly mark: CostMark;
  readonly source: string;
  readonly sweep?: readonly [low: number, high: number];
  /** True if the experiment set the value. */
  readonly overridden: boolean;
  /** False if no path charges it yet. */
  readonly charged: boolean;
}

/**
 * What things cost. The numbers are plain fields (`cost.ns.trap`), so that reading one is not a
 * call; the methods compose them as the cost model specification does, section 1.
 */
export interface CostModel {
  readonly preset: CostPreset;
  /** Nanoseconds. */
  readonly ns: Readonly<Record<NsName, number>>;
  /** Bytes per nanosecond. */
  readonly bytesPerNs: Readonly<Record<BandwidthName, number>>;
  readonly counts: Readonly<Record<CountName, number>>;
  /** One shootdown with `activeCpus` CPUs active in the mm (at least 1): b0 + b1 n of 1.4. */
  tlbFlushNs(activeCpus: number): number;
  /**
   * Copy of 4 KiB: the DRAM copy, plus what a slower source adds line by line, bounded by the
   * bandwidth of both nodes.
   */
  copyPageNs(route: CopyRoute): number;
  /** Migration of a folio, flush not included: a part per folio, one per entry, and the copy. */
  migrateFolioNs(size: FolioSize, route: CopyRoute): number;
  /** Store of one page in zram, the whole path. */
  swapOutNs(codec: SwapCodec): number;
  /** Fault that loads one page from zram, the whole path. */
  swapInNs(codec: SwapCodec): number;
  /** Decompression of one page; a copy for one that is kept whole (null). */
  decompressNs(codec: SwapCodec | null): number;
  /** lru_add_drain_all on a machine of `cpus` CPUs. */
  lruDrainAllNs(cpus: number): number;
  /** Every number with its source, for the report. */
  describe(): readonly CostDescription[];
}
export const CostModel = createToken<CostModel>('CostModel');

/** What an experiment may say about costs. */
export interface CostOptions {
  /** Default '2026-server'. */
  readonly preset?: CostPreset;
  /** Values that replace those of the preset, by name, in the unit of the row. */
  readonly overrides?: Readonly<Partial<Record<CostName, number>>>;
}

const LINES_PER_PAGE = PAGE_SIZE / 64;

/** The cost model of `COST_TABLE`. */
export class TableCostModel implements CostModel {
  readonly preset: CostPreset;
  readonly ns: Readonly<Record<NsName, number>>;
  readonly bytesPerNs: Readonly<Record<BandwidthName, number>>;
  readonly counts: Readonly<Record<CountName, number>>;
  private readonly overrides: Readonly<Partial<Record<CostName, number>>>;

  /**
   * @throws MmError MACHINE_BAD_OPTION for an unknown preset or name, or a value that no cost can
   * have
   */
  constructor(options: CostOptions = {}) {
    this.preset = options.preset ?? '2026-server';
    this.overrides = options.overrides ?? {};
    if (!COST_PRESETS.includes(this.preset)) {
      throw badOption(`cost preset '${this.preset}' is none of ${COST_PRESETS.join(', ')}`);
    }
    for (const [name, value] of Object.entries(this.overrides)) checkOverride(name, value);
    this.ns = this.column('ns');
    this.bytesPerNs = this.column('B/ns');
    this.counts = this.column('count');
  }

  tlbFlushNs(activeCpus: number): number {
    return this.ns.tlbFlush + this.ns.tlbFlushPerCpu * Math.max(0, activeCpus - 1);
  }

  /**
   * 1.5 gives the source term as 64 L / MLP. The part of it that DRAM has too is in the measured
   * `copyPage`, so only the excess over DRAM is added; stores are posted and bounded by bandwidth.
   */
  copyPageNs({ source, target }: CopyRoute): number {
    const excessNs = Math.max(0, source.lineNs - this.ns.dramLine);
    const latencyNs = this.ns.copyPage + (LINES_PER_PAGE * excessNs) / this.counts.linesInFlight;
    return Math.max(latencyNs, PAGE_SIZE / Math.min(source.bytesPerNs, target.bytesPerNs));
  }

  /** A folio of one page costs `migratePage` between DRAM nodes. */
  migrateFolioNs({ pages, entries }: FolioSize, route: CopyRoute): number {
    const { migratePage, migrateEntry, copyPage } = this.ns;
    const perFolioNs = Math.max(0, migratePage - copyPage - migrateEntry);
    return perFolioNs + entries * migrateEntry + pages * this.copyPageNs(route);
  }

  swapOutNs(codec: SwapCodec): number {
    if (codec === 'lz4') return this.ns.swapOutLz4;
    return codec === 'zstd' ? this.ns.swapOutZstd : this.ns.swapOutLzoRle;
  }

  swapInNs(codec: SwapCodec): number {
    return this.ns.swapInKernel + this.decompressNs(codec);
  }

  decompressNs(codec: SwapCodec | null): number {
    if (codec === null) return this.ns.copyPage;
    if (codec === 'lz4') return this.ns.decompressLz4;
    return codec === 'zstd' ? this.ns.decompressZstd : this.ns.decompressLzoRle;
  }

  lruDrainAllNs(cpus: number): number {
    return this.ns.lruDrainAll + this.ns.lruDrainPerCpu * Math.max(0, cpus - 1);
  }

  describe(): readonly CostDescription[] {
    return COST_NAMES.map((name) => this.describeRow(name));
  }

  private describeRow(name: CostName): CostDescription {
    const { unit, meaning, facts }: CostRow = COST_TABLE[name];
    const fact = facts[this.preset];
    const value = this.overrides[name];
    const charged = !RESERVED_COSTS.includes(name);
    const what = { name, meaning, unit, charged };
    if (value === undefined) return { ...what, ...fact, overridden: false };
    const source = `the experiment; in the table ${fact.value} (${fact.mark}, ${fact.source})`;
    const sweep = fact.sweep ?? ([value, value] as const);
    return { ...what, value, mark: 'R', source, sweep, overridden: true };
  }

  private column<Name extends CostName>(unit: CostUnit): Readonly<Record<Name, number>> {
    const names = COST_NAMES.filter((name): name is Name => COST_TABLE[name].unit === unit);
    const values = Object.fromEntries(names.map((name) => [name, this.valueOf(name)]));
    assert(hasAll(values, names), 'a column has a value for each of its names');
    return Object.freeze(values);
  }

  private valueOf(name: CostName): number {
    const fact: CostFact = COST_TABLE[name].facts[this.preset];
    return this.overrides[name] ?? fact.value;
  }
}

/**
 * The kernel codec behind a codec name with or without a level ('zstd-3' costs as 'zstd').
 *
 * @throws MmError MACHINE_BAD_OPTION if no cost of it is known
 */
export function swapCodecOf(name: string): SwapCodec {
  if (name === 'lz4' || name === 'lzo-rle') return name;
  if (/^zstd(?:-?\d+)?$/.test(name)) return 'zstd';
  throw badOption(`the cost of codec '${name}' is not known: use lz4, lzo-rle or zstd`);
}

function hasAll<Name extends string>(
  values: Readonly<Record<string, number>>,
  names: readonly Name[],
): values is Record<Name, number> {
  return names.every((name) => name in values);
}

function checkOverride(name: string, value: number | undefined): void {
  const found = COST_NAMES.find((known) => known === name);
  if (found === undefined) {
    throw badOption(`there is no cost called '${name}': use one of ${COST_NAMES.join(', ')}`);
  }
  if (value === undefined) return;
  if (!Number.isFinite(value)) throw badOption(`cost '${name}' is ${value}, not a number`);
  const { unit } = COST_TABLE[found];
  const isPossible = unit === 'ns' ? value >= 0 : value > 0;
  if (!isPossible) throw badOption(`cost '${name}' is ${value} ${unit}, below what is possible`);
}

function badOption(detail: string): MmError {
  return new MmError('MACHINE_BAD_OPTION', { detail });
}
