import { EINVAL } from '../abi/errno.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { OpenFile } from '../mem/open-file.js';
import { type EvictInode, EvictInodeToken } from '../mm/evict-inode.js';
import { type Files, FilesToken } from '../mm/files.js';
import { type Truncate, TruncateToken } from '../mm/truncate.js';

/**
 * memfd_create(2), ftruncate(2), and what fork and close(2) do to descriptors. A file without a
 * name lives as long as somebody has it open or mapped.
 */
@injectable()
export class SysOpenFiles {
  /** Descriptors that name each open file. */
  private readonly references = new Map<OpenFile, number>();

  constructor(
    @inject(FilesToken) private readonly files: Files,
    @inject(TruncateToken) private readonly truncate: Truncate,
    @inject(EvictInodeToken) private readonly evict: EvictInode,
  ) {}

  /** An empty file of shared memory without a name, open for reading and writing. */
  memfdCreate(name: string): OpenFile {
    const mapping = this.files.create('shmem', `memfd:${name}`, 0);
    const file = { mapping, canRead: true, canWrite: true };
    this.references.set(file, 1);
    return file;
  }

  /**
   * The same length again cuts as well: a large folio may reach over it (shmem_setattr).
   * @returns 0, or -EINVAL if the file is not open for writing
   */
  ftruncate(file: OpenFile, length: number): number {
    if (!file.canWrite || length < 0) return -EINVAL;
    if (length <= file.mapping.sizeBytes) this.truncate.setSize(file.mapping, length);
    else file.mapping.sizeBytes = length;
    return 0;
  }

  /** One more descriptor names the file (a child's). */
  share(file: OpenFile): void {
    this.references.set(file, this.referencesOf(file) + 1);
  }

  close(file: OpenFile): void {
    const left = this.referencesOf(file) - 1;
    this.references.set(file, left);
    if (left > 0) return;
    this.references.delete(file);
    file.mapping.isLinked = false;
    this.evict.released(file.mapping);
  }

  private referencesOf(file: OpenFile): number {
    const references = this.references.get(file);
    assert(references !== undefined, 'the file is open');
    return references;
  }
}
export const SysOpenFilesToken = createToken<SysOpenFiles>('SysOpenFiles');
