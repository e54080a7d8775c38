import type { BackingDev } from './backing-dev.js';

/**
 * What readahead knows of a file that is open (struct file_ra_state). The mappings of an open file
 * share it; who opens the file again has another. The order of folios is 0 without large ones.
 */
export class FileRaState {
  /** The last window: its first page, and its pages. */
  start = 0;
  size = 0;
  /** Pages from the marked one (PG_readahead) to the end of the window. */
  asyncSize = 0;
  /** Pages at once at most. */
  raPages: number;
  /** Misses of mappings, less hits; at most MMAP_LOTSAMISS * 10. */
  mmapMiss = 0;
  /** Byte behind what read(2) found last (prev_pos); -1 = it found nothing yet. */
  prevPos = -1;

  /** file_ra_state_init. */
  constructor(bdi: BackingDev) {
    this.raPages = bdi.raPages;
  }
}
