import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import type { Vma } from '../mem/vma.js';
import { type Files, FilesToken } from './files.js';
import { type HugetlbFault, HugetlbFaultToken } from './hugetlb-fault.js';
import { type Mms, MmsToken } from './mms.js';
import { type Truncate, TruncateToken } from './truncate.js';

/** Frees files without a name when their last mapping goes (fs/inode.c:evict). */
@injectable()
export class EvictInode {
  constructor(
    @inject(FilesToken) private readonly files: Files,
    @inject(TruncateToken) private readonly truncate: Truncate,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(HugetlbFaultToken) private readonly hugetlb: HugetlbFault,
  ) {}

  /** These areas, or parts of areas, are not mapped any more (vma_close, fput). */
  unmapped(gone: readonly Vma[]): void {
    const files = new Set(gone.map(({ file }) => file));
    for (const file of files) if (file !== null) this.released(file);
  }

  /** A mapping or a name of the file is gone: was it the last one? */
  released(file: AddressSpace): void {
    if (file.isLinked || this.isMapped(file)) return;
    if (file.kind === 'hugetlb') this.hugetlb.forget(file);
    this.truncate.setSize(file, 0);
    this.files.forget(file);
  }

  private isMapped(file: AddressSpace): boolean {
    for (const mm of this.mms.all()) if (mm.vmas.some((vma) => vma.file === file)) return true;
    return false;
  }
}
export const EvictInodeToken = createToken<EvictInode>('EvictInode');
