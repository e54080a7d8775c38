/** Misses of a fully associative LRU memory of `pages` pages. */
export interface LruPoint {
  readonly pages: number;
  /** Of every single access, by the recorder. */
  readonly exact: number;
  /** Of the trace file's rows in order. */
  readonly reduced: number;
}

/** A moment at which page contents were taken. */
export interface Snapshot {
  readonly snap: number;
  /** Time in instructions. */
  readonly t: number;
  /** Resident pages then. */
  readonly pages: number;
}

/** What the recorder says about a trace: the JSON file beside it. */
export interface TraceDescription {
  readonly program: string;
  readonly title: string;
  readonly command: string;
  readonly input: string;
  /** File name of the trace, in the description's folder. */
  readonly traceFile: string;
  /** File name of the events, in the description's folder. */
  readonly eventsFile: string;
  /** Instructions of a window. */
  readonly windowInstructions: number;
  /** Times of the trace are multiples of this. */
  readonly timeQuantum: number;
  /** Instructions of the run. */
  readonly instructions: number;
  readonly rows: number;
  /** Rows by kind letter (`I R W r w`). */
  readonly rowsByOp: Readonly<Record<string, number>>;
  readonly uniquePages: {
    readonly all: number;
    readonly code: number;
    readonly data: number;
    readonly written: number;
  };
  readonly meanPagesPerWindow: number;
  readonly maxPagesPerWindow: number;
  readonly lru: {
    /** Distinct pages: misses that no memory avoids. */
    readonly cold: number;
    readonly points: readonly LruPoint[];
  };
  readonly snapshots: readonly Snapshot[];
  /** Which snapshot the core is of, and its number of pages. */
  readonly core: { readonly snap: number; readonly t: number; readonly pages: number };
}
