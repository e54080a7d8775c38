import { ENOMEM } from '../abi/errno.js';
import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_NUMA_MISPLACED } from '../abi/migrate.js';
import { PG_dirty, PG_lru } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken, VERSION_ZERO } from '../mem/folio-table.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type PolicyNodes, PolicyNodesToken } from './policy-nodes.js';
import { type FilePage, type Shmem, ShmemToken } from './shmem.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/**
 * Pages of files by index, whatever is behind them (mm/filemap.c), reading and writing through
 * system calls included. Simplified: no readahead, so each page of a regular file is read on its
 * own; writeback is done when it is asked for.
 */
@injectable()
export class Filemap {
  private readonly pgmajfault = Vmstat.index('pgmajfault');
  private readonly site = Sites.index('filemap.generic_perform_write');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(ShmemToken) private readonly shmem: Shmem,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(PolicyNodesToken) private readonly policyNodes: PolicyNodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(ManagedToken) private readonly managed: Managed,
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
    if (cached >= 0) return { pfn: cached, isMajor: false };
    const pfn = this.fill(file, index, nid, 'read');
    if (pfn < 0) return { pfn, isMajor: false };
    this.vmstat.add(this.pgmajfault, 1);
    return { pfn, isMajor: true };
  }

  /**
   * write(2) of (at least) the first word of a page: the page has new contents afterwards
   * (generic_perform_write). @returns their identity, or -errno
   */
  write(file: AddressSpace, index: number, nid: number): number {
    const page = this.pageToWrite(file, index, nid);
    if (page < 0) return page;
    const version = this.contents.store(page, index);
    file.expected.set(index, version);
    this.table.set(this.table.head(page), PG_dirty);
    this.contents.onChangedBehind(page);
    return version;
  }

  /** read(2) of a page. @returns identity of its contents, or -errno */
  read(file: AddressSpace, index: number, nid: number): number {
    if (file.kind === 'shmem' && !file.pages.has(index) && !file.swapped.has(index)) {
      return VERSION_ZERO;
    }
    const page = this.pageForIo(file, index, nid, 'read');
    if (page < 0) return page;
    this.workingset.markAccessed(page);
    return this.table.version[page]!;
  }

  /** Writes dirty pages to disk: they are clean then (filemap_write_and_wait). */
  sync(file: AddressSpace): void {
    if (!file.needsWriteback) return;
    for (const [index, pfn] of file.pages) {
      if (!this.table.has(pfn, PG_dirty)) continue;
      file.disk.set(index, { version: this.table.version[pfn]!, key: this.table.key[pfn]! });
      this.table.clear(pfn, PG_dirty);
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
    const cached = this.cache.find(file, index);
    return cached >= 0 ? cached : this.fill(file, index, nid, why);
  }

  /**
   * Reads a page from disk into a fresh folio of the cache, by the policy of the task alone
   * (filemap_alloc_folio); a hole reads as zeroes. One that is about to be written is no refault.
   */
  private fill(file: AddressSpace, index: number, nid: number, why: FillReason): number {
    const choice = this.policyNodes.taskChoice(nid);
    const pfn = this.prealloc.forFile(choice, GFP_HIGHUSER_MOVABLE);
    if (pfn < 0) return -ENOMEM;
    const image = file.disk.get(index);
    this.contents.put(pfn, image?.version ?? VERSION_ZERO, image?.key ?? 0);
    const shadow = file.shadows.get(index) ?? 0;
    this.cache.add(file, index, pfn);
    if (why === 'read') this.workingset.refault(pfn, shadow);
    this.folios.addLru(pfn);
    this.folios.put(pfn);
    return pfn;
  }
}
/** What a page is brought in for. */
type FillReason = 'read' | 'write';

export const FilemapToken = createToken<Filemap>('Filemap');
