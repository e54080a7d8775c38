import type { PageWords } from './pattern.js';

/** What can be seen after a step. */
export interface Observed {
  /** 0 or more, or -errno. */
  rc: number;
  /** Pages that the step asked for. */
  npages: number;
  cpages: number;
  faults: number;
  /** The word that a read of one word found. */
  value: number;
  /** Pages that were read, by number in the buffer; null: not readable. */
  memory: ReadonlyMap<number, PageWords | null>;
  /** Bytes of a snapshot. */
  snapshot: readonly number[];
  /** Entries of /proc/self/pagemap. */
  pagemap: readonly { readonly swapped: boolean; readonly present: boolean }[];
  childExited: boolean;
  childStatus: number;
  childKilledBy: string;
}

export function nothingObserved(): Observed {
  return {
    rc: 0,
    npages: 0,
    cpages: 0,
    faults: 0,
    value: 0,
    memory: new Map(),
    snapshot: [],
    pagemap: [],
    childExited: false,
    childStatus: -1,
    childKilledBy: '',
  };
}
