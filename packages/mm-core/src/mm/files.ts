import { createToken } from '../base/di.js';
import { AddressSpace, type FileKind } from '../mem/address-space.js';
import { type BackingDev, diskBackingDev, NOOP_BACKING_DEV } from '../mem/backing-dev.js';

/** Every file of the machine, shared anonymous memory included (the inodes). */
export class Files {
  private readonly known = new Set<AddressSpace>();
  private inoNext = 1;
  /** The disk of regular files. */
  readonly disk = diskBackingDev();

  /**
   * A new file.
   * @param sizeBytes i_size
   * @param bdi what is behind it; a regular file of a file system in memory has NOOP_BACKING_DEV
   */
  create(
    kind: FileKind,
    name: string,
    sizeBytes: number,
    bdi: BackingDev = kind === 'regular' ? this.disk : NOOP_BACKING_DEV,
  ): AddressSpace {
    const file = new AddressSpace(this.inoNext++, kind, name, sizeBytes, bdi);
    this.known.add(file);
    return file;
  }

  /** The last name and the last mapping are gone (evict_inode): the caller emptied it. */
  forget(file: AddressSpace): void {
    this.known.delete(file);
  }

  all(): Iterable<AddressSpace> {
    return this.known;
  }
}
export const FilesToken = createToken<Files>('Files');
