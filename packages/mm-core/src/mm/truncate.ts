import { PG_dirty } from '../abi/page-flags.js';
import { PAGE_SIZE, PTRS_PER_PTE } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { pageIndex } from '../mem/vma.js';
import { type Filemap, FilemapToken } from './filemap.js';
import { type Files, FilesToken } from './files.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type HugetlbFault, HugetlbFaultToken } from './hugetlb-fault.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type Mms, MmsToken } from './mms.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type Swap, SwapToken } from './swap.js';
import { type Zap, ZapToken } from './zap.js';

/** Whose entries go with a file's pages (even_cows). */
export type UnmapRule = 'file pages' | 'copies too';

/** Takes pages away from files (mm/truncate.c, shmem_undo_range, drop_pagecache). */
@injectable()
export class Truncate {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(FilesToken) private readonly files: Files,
    @inject(FilemapToken) private readonly filemap: Filemap,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(HugetlbFaultToken) private readonly hugetlb: HugetlbFault,
    @inject(ZapToken) private readonly zap: Zap,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** ftruncate: what lies behind the new end is gone, private copies included. */
  setSize(file: AddressSpace, sizeBytes: number): void {
    const first = Math.ceil(sizeBytes / PAGE_SIZE);
    file.sizeBytes = sizeBytes;
    this.waitForMoving(file, first, Infinity);
    this.unmap(file, first, Infinity, 'copies too');
    this.drop(file, first, Infinity);
  }

  /** fallocate(FALLOC_FL_PUNCH_HOLE), madvise(MADV_REMOVE): the pages read as zeroes again. */
  punchHole(file: AddressSpace, first: number, end: number): void {
    this.waitForMoving(file, first, end);
    if (file.kind === 'hugetlb') {
      const whole = Math.ceil(first / PTRS_PER_PTE) * PTRS_PER_PTE;
      this.unmap(file, whole, end - (end % PTRS_PER_PTE), 'copies too');
      this.hugetlb.punchHole(file, first, end);
    } else {
      this.unmap(file, first, end, 'file pages');
    }
    this.drop(file, first, end);
  }

  /** Clean pages that nobody maps leave the cache (drop_caches 1, invalidate_mapping_pages). */
  dropClean(): void {
    this.folios.lruAddDrainAll();
    for (const file of this.files.all()) {
      if (!file.needsWriteback) continue;
      file.shadows.clear();
      for (const pfn of [...file.pages.values()]) {
        const idle = this.table.mapcount[pfn] === 0 && this.table.refcount[pfn] === 1;
        if (idle && !this.table.has(pfn, PG_dirty)) this.cache.remove(pfn);
      }
    }
  }

  /** sync(2). */
  syncAll(): void {
    for (const file of this.files.all()) this.filemap.sync(file);
  }

  /**
   * A page that a batch moves is locked, and who takes it out of the cache waits for that
   * (truncate_inode_pages_range). Here before entries are emptied, so that none is a migration's.
   * While it waits, the next batch may begin, with other pages of the file.
   */
  private waitForMoving(file: AddressSpace, first: number, end: number): void {
    while (this.migrate.busy()) {
      const before = this.clock.now;
      for (const [index, pfn] of [...file.pages]) {
        if (index >= first && index < end) this.migrate.waitFor(this.table.head(pfn));
      }
      if (this.clock.now === before) return;
    }
  }

  /** Empties the entries of every mapping of [first, end) (unmap_mapping_range). */
  private unmap(file: AddressSpace, first: number, end: number, rule: UnmapRule): void {
    for (const mm of this.mms.all()) {
      for (const vma of mm.vmas) {
        if (vma.file !== file) continue;
        const from = vma.start + Math.max(0, first - pageIndex(vma, vma.start));
        const to = Math.min(vma.end, vma.start + (end - pageIndex(vma, vma.start)));
        if (from >= to) continue;
        if (rule === 'copies too') this.zap.range(mm, from, to);
        else this.zap.filePages(mm, from, to);
      }
    }
  }

  /**
   * No large folio may reach across `index` (truncate_inode_partial_folio); one that somebody holds
   * stays, with zeroes where pages should go. Simplified: it is split to base pages.
   */
  private splitAt(file: AddressSpace, index: number): void {
    const pfn = file.pages.get(index) ?? -1;
    if (pfn >= 0 && this.table.head(pfn) !== pfn) this.huge.split(this.table.head(pfn));
  }

  private drop(file: AddressSpace, first: number, end: number): void {
    this.folios.lruAddDrain();
    const inside = (index: number): boolean => index >= first && index < end;
    this.splitAt(file, first);
    this.splitAt(file, end);
    for (const [index, pfn] of [...file.pages]) {
      if (!inside(index) || file.pages.get(index) !== pfn) continue;
      const isFirst = this.table.head(pfn) === pfn;
      if (isFirst && inside(index + this.table.nrPages(pfn) - 1)) this.cache.remove(pfn);
      else this.contents.zero(pfn);
    }
    for (const index of file.swappedLarge.keys())
      if (inside(index)) file.swappedLarge.delete(index);
    for (const [index, entry] of [...file.swapped]) {
      if (!inside(index)) continue;
      file.swapped.delete(index);
      this.swap.freeEntry(entry);
    }
    for (const index of [...file.shadows.keys()]) if (inside(index)) file.shadows.delete(index);
    for (const index of [...file.disk.keys()]) if (inside(index)) file.disk.delete(index);
    for (const index of [...file.expected.keys()]) if (inside(index)) file.expected.delete(index);
  }
}
export const TruncateToken = createToken<Truncate>('Truncate');
