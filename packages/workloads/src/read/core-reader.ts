import { type CorePages, coreBytes, PAGE_BYTES } from '../pages/core-pages.js';
import { VPN_LIMIT } from '../trace/page-trace.js';
import { sharedFloat64, sharedUint8 } from '../trace/shared-columns.js';
import { TraceError, type TraceErrorCode } from '../trace/trace-error.js';
import { limitsOf } from '../trace/trace-limits.js';
import { ByteCursor } from './byte-cursor.js';
import { openSource, stemOf } from './byte-source.js';
import { requireFormat } from './file-format.js';
import { type ReadOptions, reportProgress } from './read-options.js';

/** From `elf.h`. */
const EHDR_BYTES = 64;
const PHDR_BYTES = 56;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_CORE = 4;
const PT_LOAD = 1;
/** Value of `e_phnum` when the number is elsewhere. */
const PN_XNUM = 0xffff;

const PROGRESS_PAGES = 256;

/**
 * Reads the pages of an ELF64 little-endian core file (a recorder's sample, gdb's gcore, the
 * kernel's), plain or packed. Segments without file contents are left out: absent pages are
 * unknown, not zero.
 *
 * Simplified: segments must start on a page and have whole pages in the file, program headers come
 * before them, and no more than 65534 of them (no PN_XNUM).
 *
 * @throws TraceError TRACE_NOT_FOUND, TRACE_UNREADABLE, TRACE_EMPTY (no page), TRACE_TRUNCATED,
 *   TRACE_CORRUPT, TRACE_OVERSIZED_NUMBER, TRACE_WRONG_FORMAT (not an ELF file, not a core),
 *   TRACE_UNSUPPORTED (32-bit, big-endian), TRACE_OVER_LIMIT
 */
export async function readCore(file: string, options: ReadOptions = {}): Promise<CorePages> {
  const { pagesMax } = limitsOf(options.limits);
  await requireFormat(file, 'core');
  const source = await openSource(file);
  const cursor = new ByteCursor(source);
  try {
    const segments = await readSegments(file, cursor);
    const pages = segments.reduce((sum, segment) => sum + segment.pages, 0);
    const fail = failure(file, cursor);
    if (pages === 0) throw fail('TRACE_EMPTY', 'no segment has contents in the file');
    if (pages > pagesMax) {
      throw fail('TRACE_OVER_LIMIT', `the core has more than ${pagesMax} pages (limit pagesMax)`);
    }
    const vpns = new Float64Array(pages);
    const parts: Uint8Array[] = [];
    for (const segment of segments) {
      await cursor.skipTo(segment.offset, 'the space before a segment');
      for (let i = 0; i < segment.pages; i++) {
        const bytes = new Uint8Array(PAGE_BYTES);
        await cursor.read(bytes, 'a segment');
        vpns[parts.length] = segment.vpn + i;
        parts.push(bytes);
        if (parts.length % PROGRESS_PAGES === 0) reportProgress(options, source, parts.length);
      }
    }
    // The end holds the checksum of a packed file.
    await cursor.skipRest();
    reportProgress(options, source, pages);
    return sorted({ name: stemOf(file), vpns, parts, file });
  } finally {
    await cursor.close();
  }
}

interface Segment {
  readonly vpn: number;
  readonly pages: number;
  readonly offset: number;
}

/** The segments with contents, by offset in the file. */
async function readSegments(file: string, cursor: ByteCursor): Promise<readonly Segment[]> {
  const fail = failure(file, cursor);
  const header = new DataView(new ArrayBuffer(EHDR_BYTES));
  await cursor.read(new Uint8Array(header.buffer), 'the ELF header');
  if (header.getUint8(4) !== ELFCLASS64 || header.getUint8(5) !== ELFDATA2LSB) {
    throw fail('TRACE_UNSUPPORTED', 'not a 64-bit little-endian ELF file');
  }
  const type = header.getUint16(16, true);
  if (type !== ET_CORE) throw fail('TRACE_WRONG_FORMAT', `ELF type ${type} is not a core (4)`);
  const count = header.getUint16(56, true);
  const entryBytes = header.getUint16(54, true);
  if (count === PN_XNUM) throw fail('TRACE_UNSUPPORTED', 'the core has over 65534 segments');
  if (count === 0) throw fail('TRACE_EMPTY', 'the core has no segment');
  if (entryBytes !== PHDR_BYTES) {
    throw fail('TRACE_CORRUPT', `program headers have ${entryBytes} bytes instead of 56`);
  }
  const start = uint64(header, 32);
  if (start < EHDR_BYTES) throw fail('TRACE_CORRUPT', 'the program headers overlap the ELF header');
  await cursor.skipTo(start, 'the space before the program headers');
  const table = new DataView(new ArrayBuffer(count * PHDR_BYTES));
  await cursor.read(new Uint8Array(table.buffer), 'the program headers');
  const segments: Segment[] = [];
  for (let i = 0; i < count; i++) {
    const segment = segmentAt(table, i * PHDR_BYTES, fail);
    if (segment !== undefined) segments.push(segment);
  }
  segments.sort((a, b) => a.offset - b.offset);
  let end = start + count * PHDR_BYTES;
  for (const segment of segments) {
    if (segment.offset < end) throw fail('TRACE_CORRUPT', 'segments overlap in the file');
    end = segment.offset + segment.pages * PAGE_BYTES;
  }
  return segments;
}

function segmentAt(table: DataView, at: number, fail: Failure): Segment | undefined {
  if (table.getUint32(at, true) !== PT_LOAD) return undefined;
  const offset = uint64(table, at + 8);
  const address = uint64(table, at + 16);
  const fileBytes = uint64(table, at + 32);
  if (fileBytes === 0) return undefined;
  if (address % PAGE_BYTES !== 0 || fileBytes % PAGE_BYTES !== 0) {
    throw fail('TRACE_CORRUPT', 'a segment is not made of whole pages');
  }
  const vpn = address / PAGE_BYTES;
  const pages = fileBytes / PAGE_BYTES;
  if (pages > VPN_LIMIT || offset > Number.MAX_SAFE_INTEGER) {
    throw fail('TRACE_OVERSIZED_NUMBER', 'a segment is larger than 2^48 bytes, or beyond 2^53');
  }
  // The kernel's own half (vsyscall) is nobody's data.
  return vpn + pages <= VPN_LIMIT ? { vpn, pages, offset } : undefined;
}

/** A little-endian 64-bit number as a double: exact up to 2^53, and page numbers up to 2^64. */
function uint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

type Failure = (code: TraceErrorCode, what: string) => TraceError;

function failure(file: string, cursor: ByteCursor): Failure {
  return (code, what) => new TraceError(code, { file, offset: cursor.offset, what });
}

interface Unsorted {
  readonly name: string;
  readonly file: string;
  readonly vpns: Float64Array;
  readonly parts: readonly Uint8Array[];
}

function sorted({ name, file, vpns, parts }: Unsorted): CorePages {
  const order = [...vpns.keys()].sort((a, b) => vpns[a]! - vpns[b]!);
  const core: CorePages = {
    name,
    pages: parts.length,
    vpns: sharedFloat64(parts.length),
    bytes: sharedUint8(parts.length * PAGE_BYTES),
  };
  for (const [index, from] of order.entries()) {
    core.vpns[index] = vpns[from]!;
    coreBytes(core, index).set(parts[from]!);
    if (index === 0 || core.vpns[index - 1] !== core.vpns[index]) continue;
    throw new TraceError('TRACE_CORRUPT', { file, what: `page ${vpns[from]} is there twice` });
  }
  return core;
}
