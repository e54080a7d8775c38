import { PAGE_SIZE } from '../abi/zone.js';
import { type BackingDev, NOOP_BACKING_DEV } from './backing-dev.js';
import { FileRaState } from './file-ra-state.js';
import { SharedPolicy } from './shared-policy.js';

/** What a page of a file is on disk: identity and name of its bytes (`Contents`). */
export interface PageImage {
  readonly version: number;
  readonly key: number;
}

/** What stands behind a file: memory that may be swapped, or a disk that it can be read from. */
export type FileKind = 'shmem' | 'regular' | 'hugetlb';

/** What Linux calls the file behind a shared anonymous mapping. */
export const ANON_SHMEM_NAME = 'dev/zero';

/**
 * The pages of one file (struct address_space with what mm needs of its inode). Indices are pages
 * from the file's start. An index is in `pages` or in `swapped` or in neither, never in both.
 */
export class AddressSpace {
  /** Cached pages: pfn by index. The cache holds one reference of each (`PageCache`). */
  readonly pages = new Map<number, number>();
  /** What eviction left of pages that are not cached, by index (`packShadow`). */
  readonly shadows = new Map<number, number>();
  /** Swap entries by index; memory of a regular file is never here. */
  readonly swapped = new Map<number, number>();
  /**
   * Blocks that went to swap as one folio: order by first index. A block stays one while all of it
   * is in `swapped`.
   */
  readonly swappedLarge = new Map<number, number>();
  /** Contents that a read of the file must find, by index: a version; absent = never written. */
  readonly expected = new Map<number, number>();
  /** Pages on disk by index; always empty for shmem. */
  readonly disk = new Map<number, PageImage>();
  /** Memory policies by range of indices; those of a regular file are never asked. */
  readonly policy = new SharedPolicy();
  /** Names a process may still find the file by; false after unlink. */
  isLinked = true;
  /** What a long-term pin of its pages gets (check_vma_flags, fs-dax): -errno, or 0. */
  longtermRefusal = 0;
  /** Readahead state of the file as it is open to whoever does not bring his own. */
  readonly ra: FileRaState;

  constructor(
    /** Inode number, 1, 2, 3 …; the interleave index of shared memory counts from it. */
    readonly ino: number,
    readonly kind: FileKind,
    readonly name: string,
    /** i_size in bytes. */
    public sizeBytes: number,
    /** The storage behind it (inode_to_bdi). */
    readonly bdi: BackingDev = NOOP_BACKING_DEV,
  ) {
    this.ra = new FileRaState(bdi);
  }

  /** Is there a page of it in memory or in swap? */
  hasData(index: number): boolean {
    return this.pages.has(index) || this.swapped.has(index);
  }

  /** Pages that the file has, the last one perhaps in part. */
  get sizePages(): number {
    return Math.ceil(this.sizeBytes / PAGE_SIZE);
  }

  /** Must its pages be written to disk, so that a first store to one is noticed (page_mkwrite)? */
  get needsWriteback(): boolean {
    return this.kind === 'regular';
  }
}
