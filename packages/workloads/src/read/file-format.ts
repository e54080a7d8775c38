import { TraceError } from '../trace/trace-error.js';
import { readHead } from './byte-source.js';

/** Formats that this package reads. */
export const FILE_FORMATS = {
  'page-trace': 'a page trace (t,vpn,op,n)',
  events: 'address-space events (t,event,addr,…)',
  sizes: 'a table of compressed sizes (snap,vpn,…)',
  lackey: 'output of valgrind --tool=lackey --trace-mem=yes',
  description: "a trace's JSON description",
  core: 'an ELF file',
} as const;

/** Name of a format that this package reads. */
export type FileFormat = keyof typeof FILE_FORMATS;

/** First line of a page trace. */
export const PAGE_TRACE_HEADER = 't,vpn,op,n';
/** First line of an events file. */
export const EVENTS_HEADER = 't,event,addr,len,prot,kind,offset,name';
/** First line of a sizes table. */
export const SIZES_HEADER =
  'snap,vpn,kind,perm,fill,lz4,lzo,lzorle,zstd1,zstd3,deflate,lz4_2k,lz4_1k,zlines,bdi';

/** A record of lackey, or one of valgrind's own lines. */
const LACKEY_LINE = /^(I {2}| [LSM] )[0-9a-f]+,\d+$|^==\d+==/;

/**
 * The format of a file by its contents, or undefined for an unknown one.
 *
 * @throws TraceError when the file cannot be read or unpacked
 */
export async function detectFormat(file: string): Promise<FileFormat | undefined> {
  return formatOf(await readHead(file));
}

/** The format by the first unpacked bytes of a file. */
export function formatOf(head: Uint8Array): FileFormat | undefined {
  const text = Buffer.from(head).toString('latin1');
  if (text.startsWith('\x7fELF')) return 'core';
  const line = firstLine(text);
  if (line === PAGE_TRACE_HEADER) return 'page-trace';
  if (line.startsWith('t,event,')) return 'events';
  if (line.startsWith('snap,vpn,')) return 'sizes';
  if (line.trimStart().startsWith('{')) return 'description';
  return LACKEY_LINE.test(line) ? 'lackey' : undefined;
}

/**
 * Makes sure that a file is of the format wanted, before its reader starts.
 *
 * @throws TraceError TRACE_WRONG_FORMAT when it is another known format, TRACE_HEADER_MISSING when
 *   a CSV has no header line, and whatever reading the head throws
 */
export async function requireFormat(file: string, wanted: FileFormat): Promise<void> {
  const head = await readHead(file);
  const found = formatOf(head);
  if (found === wanted) return;
  if (found !== undefined) {
    const what = `this is ${FILE_FORMATS[found]}, not ${FILE_FORMATS[wanted]}`;
    throw new TraceError('TRACE_WRONG_FORMAT', { file, what });
  }
  const header = HEADERS[wanted];
  if (header === undefined) {
    throw new TraceError('TRACE_WRONG_FORMAT', { file, what: `not ${FILE_FORMATS[wanted]}` });
  }
  throw new TraceError('TRACE_HEADER_MISSING', {
    file,
    line: 1,
    what: 'the header line is missing',
    hint: `the first line must be ${header}`,
  });
}

const HEADERS: Partial<Record<FileFormat, string>> = {
  'page-trace': PAGE_TRACE_HEADER,
  events: EVENTS_HEADER,
  sizes: SIZES_HEADER,
};

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  const line = end < 0 ? text : text.slice(0, end);
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
