import type { AddressSpaceEvent, MappingEvent } from '../trace/address-space-event.js';
import { TraceError } from '../trace/trace-error.js';
import { type CsvRecord, csvRecords } from './csv-records.js';
import type { ReadOptions } from './read-options.js';

/** Column numbers of an events file. */
const T = 0;
const EVENT = 1;
const ADDR = 2;
const LEN = 3;
const PROT = 4;
const KIND = 5;
const OFFSET = 6;
const NAME = 7;

/**
 * Reads the address-space events of a trace: CSV with the header
 * `t,event,addr,len,prot,kind,offset,name`, plain or packed with gzip or zstd.
 *
 * @returns the events, `t` never decreasing
 * @throws TraceError TRACE_NOT_FOUND, TRACE_UNREADABLE, TRACE_EMPTY, TRACE_TRUNCATED,
 *   TRACE_CORRUPT, TRACE_OVERSIZED_NUMBER, TRACE_WRONG_FORMAT, TRACE_HEADER_MISSING,
 *   TRACE_OVER_LIMIT
 */
export async function readEvents(
  file: string,
  options: ReadOptions = {},
): Promise<readonly AddressSpaceEvent[]> {
  const events: AddressSpaceEvent[] = [];
  let tBefore = 0;
  for await (const record of csvRecords(file, 'events', options)) {
    const event = eventOf(record);
    if (event.t < tBefore) throw record.corrupt(T, `decreases from ${tBefore}`);
    tBefore = event.t;
    events.push(event);
  }
  return events;
}

function eventOf(record: CsvRecord): AddressSpaceEvent {
  const event = record.text(EVENT);
  const t = record.count(T);
  switch (event) {
    case 'startup':
    case 'mmap':
    case 'mprotect':
      return mappingOf(record, event);
    case 'munmap':
    case 'brk+':
    case 'brk-':
      return { t, event, ...range(record) };
    case 'mremap':
      return { t, event, ...range(record), newAddr: record.address(NAME) };
    case 'madvise':
      return { t, event, ...range(record), advice: adviceOf(record) };
    case 'syscall':
      return { t, event, ...callOf(record) };
    case 'tid':
      return { t, event, tid: record.count(NAME, 2 ** 31 - 1) };
    default:
      throw record.corrupt(EVENT, 'is unknown');
  }
}

function range(record: CsvRecord): { readonly addr: number; readonly len: number } {
  const addr = record.address(ADDR);
  const len = record.count(LEN);
  if (addr + len <= 2 ** 52) return { addr, len };
  throw new TraceError('TRACE_OVERSIZED_NUMBER', {
    file: record.file,
    line: record.line,
    what: 'the range ends above 2^52',
  });
}

function mappingOf(record: CsvRecord, event: MappingEvent['event']): MappingEvent {
  const prot = record.text(PROT);
  const kind = record.text(KIND);
  if (!/^[r-][w-][x-]$/.test(prot)) throw record.corrupt(PROT, 'is not an rwx triple');
  if (kind !== 'anon' && kind !== 'file' && kind !== 'shm') {
    throw record.corrupt(KIND, 'is unknown');
  }
  return {
    t: record.count(T),
    event,
    ...range(record),
    readable: prot[0] === 'r',
    writable: prot[1] === 'w',
    executable: prot[2] === 'x',
    kind,
    offset: record.text(OFFSET) === '' ? 0 : record.count(OFFSET),
    name: record.text(NAME),
  };
}

function adviceOf(record: CsvRecord): number {
  const match = /^advice=(\d{1,9})$/.exec(record.text(NAME));
  if (match === null) throw record.corrupt(NAME, 'is not advice=N');
  return Number(match[1]);
}

function callOf(record: CsvRecord): { readonly nr: number; readonly args: readonly string[] } {
  const match = /^nr=(\d{1,9})(?: args=([0-9a-f ]*))?$/.exec(record.text(NAME));
  if (match === null) throw record.corrupt(NAME, 'is not nr=N args=…');
  const args = (match[2] ?? '').split(' ').filter((arg) => arg !== '');
  return { nr: Number(match[1]), args };
}
