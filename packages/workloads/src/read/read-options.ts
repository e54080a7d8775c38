import type { TraceLimits } from '../trace/trace-limits.js';
import type { ByteSource, ReadProgress } from './byte-source.js';

/** Options of every reader. */
export interface ReadOptions {
  readonly limits?: Partial<TraceLimits>;
  /** Called after each piece of the file, some 256 KiB. */
  readonly onProgress?: (progress: ReadProgress) => void;
}

/** Options of the readers that make a `PageTrace`. */
export interface TraceReadOptions extends ReadOptions {
  /** `data` (default) leaves out instruction fetches, `all` keeps them. */
  readonly ops?: 'data' | 'all';
  /** Stop after so many rows; what follows is not read. */
  readonly limitRows?: number;
  /** Name of the trace; default: the file name up to its first dot. */
  readonly name?: string;
  /** Times are multiples of this; default 1, or what the description beside the trace says. */
  readonly timeQuantum?: number;
}

/** Reports the progress of a source to the caller, if they asked for it. */
export function reportProgress(options: ReadOptions, source: ByteSource, rows: number): void {
  options.onProgress?.({ bytesRead: source.bytesRead(), bytesTotal: source.bytesTotal, rows });
}
