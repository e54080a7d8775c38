import { dirname, join } from 'node:path';
import type { PageTrace } from '../trace/page-trace.js';
import { TraceError } from '../trace/trace-error.js';
import { stemOf } from './byte-source.js';
import { readDescription } from './description-reader.js';
import { detectFormat, FILE_FORMATS } from './file-format.js';
import { type LackeyReadOptions, readLackey } from './lackey-reader.js';
import { readPageTrace } from './page-trace-reader.js';
import type { TraceReadOptions } from './read-options.js';

/** Options of `openTrace`: those of every trace reader. */
export type OpenTraceOptions = TraceReadOptions & LackeyReadOptions;

/**
 * Opens a trace with the reader that its contents ask for, whatever the file's name: a page trace,
 * lackey output, or the JSON description of a page trace beside it. For a page trace the time
 * quantum comes from the option, else from the description `NAME.json` in the same folder, else it
 * is 1.
 *
 * @throws TraceError as `readPageTrace`; TRACE_WRONG_FORMAT for a file that is no trace
 */
export async function openTrace(file: string, options: OpenTraceOptions = {}): Promise<PageTrace> {
  const format = await detectFormat(file);
  switch (format) {
    case 'page-trace': {
      const timeQuantum = options.timeQuantum ?? (await quantumBeside(file));
      return readPageTrace(file, { ...options, timeQuantum });
    }
    case 'lackey':
      return readLackey(file, options);
    case 'description': {
      const { traceFile, timeQuantum } = await readDescription(file);
      return readPageTrace(join(dirname(file), traceFile), { timeQuantum, ...options });
    }
    default:
      throw new TraceError('TRACE_WRONG_FORMAT', {
        file,
        what: format === undefined ? 'no known format' : `this is ${FILE_FORMATS[format]}`,
        hint: 'give a page trace (t,vpn,op,n), its JSON description, or lackey output',
      });
  }
}

/** The time quantum that the description beside a trace names; 1 without a usable one. */
async function quantumBeside(file: string): Promise<number> {
  try {
    return (await readDescription(join(dirname(file), `${stemOf(file)}.json`))).timeQuantum;
  } catch (error) {
    if (error instanceof TraceError) return 1;
    throw error;
  }
}
