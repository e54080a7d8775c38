import { ENOMEM } from '../abi/errno.js';
import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_NUMA_MISPLACED } from '../abi/migrate.js';
import { PG_dirty, PG_lru, PG_readahead, PG_referenced } from '../abi/page-flags.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import type { FileRaState } from '../mem/file-ra-state.js';
import { type FolioTable, FolioTableToken, VERSION_ZERO } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { FaultContext } from './fault-context.js';
import { type FileRead, FileReadToken, type FillReason, type MissingPage } from './file-read.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type MmapReadahead, MmapReadaheadToken } from './mmap-readahead.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type Readahead, type ReadaheadControl, ReadaheadToken } from './readahead.js';
import { type FilePage, type Shmem, ShmemToken } from './shmem.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/** What a read(2) is like. */
export interface ReadOptions {
  /** Pages that are asked for at once; 1 if left out. */
  readonly pages?: number;
  /** Readahead state of the open file; the file's own if left out. */
  readonly ra?: FileRaState;
}

/** Folios that a read handles at a time. */
const FOLIO_BATCH_SIZE = 31;

/**
 * Pages of files by index, whatever is behind them (mm/filemap.c), reading and writing through
 * system calls included. Simplified: writeback is done when it is asked for.
 */
@injectable()
export class Filemap {
  private readonly pgmajfault = Vmstat.index('pgmajfault');
  private readonly pgpgout = Vmstat.index('pgpgout');
  private readonly site = Sites.index('filemap.generic_perform_write');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(ShmemToken) private readonly shmem: Shmem,
    @inject(FileReadToken) private readonly reader: FileRead,
    @inject(ReadaheadToken) private readonly readahead: Readahead,
    @inject(MmapReadaheadToken) private readonly mmapReadahead: MmapReadahead,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /** The page at `index`, read in or made if need be (filemap_fault, shmem_fault). */
  getFolio(
    file: AddressSpace,
    index: number,
    nid: number,
    vmf: FaultContext | null = null,
  ): FilePage {
    if (file.kind === 'shmem') return this.shmem.getFolio(file, index, nid, vmf);
    const cached = this.cache.find(file, index);
    if (cached >= 0) {
      const isRetried = vmf !== null && this.readFromMark(vmf, file, cached);
      return { pfn: cached, isMajor: false, isRetried };
    }
    this.vmstat.add(this.pgmajfault, 1);
    if (vmf !== null) {
      this.memcgs.countMm(vmf.mm, this.pgmajfault, 1);
      this.mmapReadahead.sync(vmf, file);
    }
    const pfn = this.pageAt(file, index, nid, 'read');
    return { pfn, isMajor: pfn >= 0, isRetried: pfn >= 0 };
  }

  /** A reference keeps the page while memory for others is looked for. */
  private readFromMark(vmf: FaultContext, file: AddressSpace, page: number): boolean {
    const folio = this.table.head(page);
    this.folios.get(folio);
    const isRetried = this.mmapReadahead.async(vmf, file, folio);
    this.folios.put(folio);
    return isRetried;
  }

  /**
   * write(2) of (at least) the first word of a page: the page has new contents afterwards
   * (generic_perform_write). It is a use of what shared memory had there already, and what it makes
   * is born referenced (shmem_get_folio_gfp of SGP_WRITE); write_begin of files on disk marks
   * nothing.
   * @returns their identity, or -errno
   */
  write(file: AddressSpace, index: number, nid: number): number {
    const hadData = file.hasData(index);
    const page = this.pageToWrite(file, index, nid);
    if (page < 0) return page;
    if (file.kind === 'shmem') {
      const folio = this.table.head(page);
      if (hadData) this.workingset.markAccessed(folio);
      else this.table.set(folio, PG_referenced);
    }
    const version = this.contents.store(page, index);
    file.expected.set(index, version);
    this.table.set(this.table.head(page), PG_dirty);
    this.contents.onChangedBehind(page);
    return version;
  }

  /**
   * read(2) of whole pages, one if nothing is said.
   * @returns identity of the contents of the first, or -errno; zeroes behind the end of the file
   */
  read(file: AddressSpace, index: number, nid: number, how: ReadOptions = {}): number {
    if (file.kind !== 'shmem') return this.readPages({ file, index, nid }, how);
    if (!file.hasData(index)) return VERSION_ZERO;
    const page = this.pageForIo(file, index, nid, 'read');
    if (page < 0) return page;
    // shmem_file_read_iter: a large folio by its first page.
    if (page === this.table.head(page)) this.workingset.markAccessed(page);
    return this.table.version[page]!;
  }

  /** filemap_read. A page that the last read ended in was marked then (pos_same_folio). */
  private readPages(first: MissingPage, { pages = 1, ra = first.file.ra }: ReadOptions): number {
    const { file, nid } = first;
    const end = Math.min(first.index + pages, file.sizePages);
    const marked = Math.floor((ra.prevPos - 1) / PAGE_SIZE);
    let version = VERSION_ZERO;
    let index = first.index;
    while (index < end) {
      const batch = this.getPages({ file, ra, index, nid, awaited: index }, first.index + pages);
      if (batch.length === 0) break;
      if (index === first.index) version = this.table.version[batch[0]!]!;
      for (const page of batch) {
        if (index !== first.index || index !== marked) this.workingset.markAccessed(page);
        this.folios.put(this.table.head(page));
        index += 1;
      }
    }
    if (index === first.index) return index < end ? -ENOMEM : VERSION_ZERO;
    ra.prevPos = Math.min(index * PAGE_SIZE, file.sizeBytes);
    return version;
  }

  /**
   * Pages in a row from an index on, each with a reference (filemap_get_pages). Readahead is asked
   * where the first is missing and where the last is marked.
   */
  private getPages(ctl: ReadaheadControl, end: number): number[] {
    const { file, index, nid } = ctl;
    for (let at = index; at < end; at++) {
      const moving = this.cache.find(file, at);
      if (moving < 0) break;
      this.migrate.waitFor(moving);
    }
    let batch = this.batch(file, index, end);
    if (batch.length === 0) {
      this.readahead.sync(ctl, end - index);
      batch = this.batch(file, index, end);
    }
    if (batch.length === 0) {
      const page = this.pageAt(file, index, nid, 'read');
      if (page < 0) return [];
      this.folios.get(this.table.head(page));
      return [page];
    }
    const last = index + batch.length - 1;
    const folio = this.table.head(this.cache.find(file, last));
    if (this.table.has(folio, PG_readahead)) {
      this.readahead.async({ ...ctl, index: last, awaited: -1 }, folio, end - last);
    }
    return batch;
  }

  /** What is cached in a row, up to a marked page (filemap_get_read_batch). */
  private batch(file: AddressSpace, index: number, end: number): number[] {
    const batch: number[] = [];
    for (let at = index; at < end && batch.length < FOLIO_BATCH_SIZE; at++) {
      const page = this.cache.find(file, at);
      if (page < 0) break;
      const folio = this.table.head(page);
      this.folios.get(folio);
      batch.push(page);
      if (this.table.has(folio, PG_readahead)) break;
    }
    return batch;
  }

  /** Writes dirty pages to disk: they are clean then (filemap_write_and_wait). */
  sync(file: AddressSpace): void {
    if (!file.needsWriteback) return;
    for (const [index, pfn] of file.pages) {
      if (!this.table.has(pfn, PG_dirty)) continue;
      file.disk.set(index, { version: this.table.version[pfn]!, key: this.table.key[pfn]! });
      // The end of writeback takes the mark for PG_reclaim, whose bit it is.
      this.table.clear(pfn, PG_dirty | PG_readahead);
      this.vmstat.add(this.pgpgout, PAGE_SIZE / 1024);
    }
  }

  /**
   * The page at `index`, where its bytes may change. Mended, a folio behind a write fence moves to
   * ordinary memory first, as a store to it would; -ENOMEM if it cannot, and nothing is written.
   */
  private pageToWrite(file: AddressSpace, index: number, nid: number): number {
    const page = this.pageForIo(file, index, nid, 'write');
    if (page < 0) return page;
    const folio = this.table.head(page);
    if (!this.managed.folio_managed_buffered_wrprotect(this.site, folio)) return page;
    if (!this.table.has(folio, PG_lru)) this.folios.lruAddDrainAll();
    if (!this.folios.isolateLru(folio)) return -ENOMEM;
    const list = [folio];
    this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_NUMA_MISPLACED,
      newFolio: (src) => {
        const order = this.table.order[src]!;
        return this.pageAlloc.alloc({ gfp: GFP_HIGHUSER_MOVABLE, order, nid, nodemask: null });
      },
    });
    for (const left of list) this.folios.putbackLru(left);
    return list.length === 0 ? this.pageForIo(file, index, nid, 'write') : -ENOMEM;
  }

  /** A page that a batch moves is waited for, like its lock (filemap_get_folio). */
  private pageForIo(file: AddressSpace, index: number, nid: number, why: FillReason): number {
    const moving = this.cache.find(file, index);
    if (moving >= 0) this.migrate.waitFor(moving);
    if (file.kind === 'shmem') return this.shmem.getFolio(file, index, nid).pfn;
    return this.pageAt(file, index, nid, why);
  }

  /** The cached page, or one that is read alone. */
  private pageAt(file: AddressSpace, index: number, nid: number, why: FillReason): number {
    const cached = this.cache.find(file, index);
    if (cached >= 0) return cached;
    return this.reader.readFolio({ file, index, nid }, GFP_HIGHUSER_MOVABLE, why);
  }
}
export const FilemapToken = createToken<Filemap>('Filemap');
