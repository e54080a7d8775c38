import {
  PAGE_FILL,
  PAGE_KIND,
  SIZE_COLUMNS,
  type SizeColumn,
  type SizesTable,
} from '../pages/sizes-table.js';
import { VPN_LIMIT } from '../trace/page-trace.js';
import { sharedFloat64, sharedInt32, sharedUint8 } from '../trace/shared-columns.js';
import { TraceError } from '../trace/trace-error.js';
import { stemOf } from './byte-source.js';
import { type CsvRecord, csvRecords } from './csv-records.js';
import type { ReadOptions } from './read-options.js';

/** Snapshots that a table may have. */
export const SNAPSHOTS_MAX = 256;

/** No codec doubles a page. */
const SIZE_MAX = 65535;

const SNAP = 0;
const VPN = 1;
const KIND = 2;
const FILL = 4;
const SIZES = 5;

/**
 * Reads a table of compressed sizes: CSV with the header `snap,vpn,kind,perm,fill,lz4,…`, plain or
 * packed.
 *
 * @throws TraceError TRACE_NOT_FOUND, TRACE_UNREADABLE, TRACE_EMPTY (also without rows),
 *   TRACE_TRUNCATED, TRACE_CORRUPT, TRACE_OVERSIZED_NUMBER, TRACE_WRONG_FORMAT,
 *   TRACE_HEADER_MISSING, TRACE_OVER_LIMIT
 */
export async function readSizes(file: string, options: ReadOptions = {}): Promise<SizesTable> {
  const rows: number[][] = [];
  let snapBefore = 0;
  for await (const record of csvRecords(file, 'sizes', options)) {
    const row = rowOf(record);
    const snap = row[SNAP]!;
    if (snap < snapBefore) throw record.corrupt(SNAP, `decreases from ${snapBefore}`);
    snapBefore = snap;
    rows.push(row);
  }
  if (rows.length === 0)
    throw new TraceError('TRACE_EMPTY', { file, what: 'the table has no row' });
  return tableOf(stemOf(file), rows, snapBefore + 1);
}

function rowOf(record: CsvRecord): number[] {
  const row = [record.count(SNAP, SNAPSHOTS_MAX - 1), record.count(VPN, VPN_LIMIT - 1)];
  row.push(codeOf(record, KIND, PAGE_KIND), 0, codeOf(record, FILL, PAGE_FILL));
  for (let i = 0; i < SIZE_COLUMNS.length; i++) row.push(record.count(SIZES + i, SIZE_MAX));
  return row;
}

function codeOf(record: CsvRecord, column: number, codes: Record<string, number>): number {
  const text = record.text(column);
  const code = text.charCodeAt(0);
  if (text.length === 1 && Object.values(codes).includes(code)) return code;
  throw record.corrupt(column, 'is unknown');
}

function tableOf(name: string, rows: readonly number[][], snapshots: number): SizesTable {
  const column = (index: number) => rows.map((row) => row[index]!);
  const int32 = (index: number) => sharedInt32(Int32Array.from(column(index)));
  const uint8 = (index: number) => sharedUint8(Uint8Array.from(column(index)));
  const sizes = Object.fromEntries(
    SIZE_COLUMNS.map((name, index) => [name, int32(SIZES + index)] as const),
  ) as Record<SizeColumn, Int32Array>;
  return {
    name,
    rows: rows.length,
    snapshots,
    snap: uint8(SNAP),
    vpn: sharedFloat64(column(VPN)),
    kind: uint8(KIND),
    fill: uint8(FILL),
    sizes,
  };
}
