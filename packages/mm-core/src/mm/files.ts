import { createToken } from '../base/di.js';
import { AddressSpace, type FileKind } from '../mem/address-space.js';

/** Every file of the machine, shared anonymous memory included (the inodes). */
export class Files {
  private readonly known = new Set<AddressSpace>();
  private inoNext = 1;

  /** A new file. @param sizeBytes i_size */
  create(kind: FileKind, name: string, sizeBytes: number): AddressSpace {
    const file = new AddressSpace(this.inoNext++, kind, name, sizeBytes);
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
