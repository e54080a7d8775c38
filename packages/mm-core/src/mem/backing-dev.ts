/** The storage behind a file, as far as readahead asks it (struct backing_dev_info). */
export interface BackingDev {
  /** Pages that are read ahead at most (ra_pages, read_ahead_kb of the queue). */
  raPages: number;
  /** Pages of the largest request that the device takes (io_pages, max_sectors_kb). */
  readonly ioPages: number;
}

/** 128 KiB: what a disk that does not turn and names no best size reads ahead. */
export const VM_READAHEAD_PAGES = 32;

/** A disk as the block layer of 7.3.4 sets one up that says nothing of itself. */
export function diskBackingDev(): BackingDev {
  return { raPages: VM_READAHEAD_PAGES, ioPages: 1024 };
}

/** Files that live in memory: nothing is ever read ahead (noop_backing_dev_info). */
export const NOOP_BACKING_DEV: BackingDev = Object.freeze({ raPages: 0, ioPages: 0 });
