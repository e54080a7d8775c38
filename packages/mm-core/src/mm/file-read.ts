import { EEXIST, ENOMEM } from '../abi/errno.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { VERSION_ZERO } from '../mem/folio-table.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type PolicyNodes, PolicyNodesToken } from './policy-nodes.js';
import { type Work, WorkToken } from './work.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/** What a page is brought in for. */
export type FillReason = 'read' | 'write';

/** A page of a file that is not cached yet. */
export interface MissingPage {
  readonly file: AddressSpace;
  readonly index: number;
  /** Node of the CPU. */
  readonly nid: number;
}

/**
 * Reads pages of files from disk into the page cache (mm/filemap.c:filemap_add_folio,
 * read_folio). Simplified: what was asked of the disk has come when the call returns; a disk has no
 * bandwidth, so a request of many pages waits for it as long as one of one page; a file lies on
 * disk in one piece.
 */
@injectable()
export class FileRead {
  private readonly pgpgin = Vmstat.index('pgpgin');

  constructor(
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(PolicyNodesToken) private readonly policyNodes: PolicyNodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * A page alone, for somebody who waits (filemap_create_folio). One that is to be written is taken
   * to be written as a whole, so it is not read.
   * @returns its pfn, or -ENOMEM
   */
  readFolio(page: MissingPage, gfp: number, why: FillReason): number {
    const pfn = this.add(page, gfp, why);
    if (pfn === -EEXIST) return this.cache.find(page.file, page.index);
    const isOnDisk = page.file.disk.has(page.index);
    if (pfn >= 0 && why === 'read' && isOnDisk) this.request(1, 'awaited');
    return pfn;
  }

  /**
   * A fresh folio in the cache, by the policy of the task alone (filemap_alloc_folio); a hole reads
   * as zeroes. One that is about to be written is no refault.
   * @returns its pfn, -ENOMEM, or -EEXIST if it came in while memory was looked for
   */
  add({ file, index, nid }: MissingPage, gfp: number, why: FillReason): number {
    const pfn = this.prealloc.forFile(this.policyNodes.taskChoice(nid), gfp);
    if (pfn < 0) return -ENOMEM;
    if (file.pages.has(index)) {
      this.folios.put(pfn);
      return -EEXIST;
    }
    const image = file.disk.get(index);
    this.contents.put(pfn, image?.version ?? VERSION_ZERO, image?.key ?? 0);
    const shadow = file.shadows.get(index) ?? 0;
    this.cache.add(file, index, pfn);
    if (why === 'read') this.workingset.refault(pfn, shadow);
    this.folios.addLru(pfn);
    this.folios.put(pfn);
    return pfn;
  }

  /**
   * One request to the disk. Who waits pays the device once; each page costs the kernel what a page
   * that is read ahead from swap does (`DiskSwap`).
   */
  request(pages: number, waiter: 'awaited' | 'ahead'): void {
    if (pages === 0) return;
    this.vmstat.add(this.pgpgin, (pages * PAGE_SIZE) / 1024);
    const { diskRead, diskKernel, swapInKernel } = this.cost.ns;
    const kernelNs = pages * Math.max(0, diskKernel - swapInKernel);
    this.work.charge((waiter === 'awaited' ? diskRead : 0) + kernelNs);
  }
}
export const FileReadToken = createToken<FileRead>('FileRead');
