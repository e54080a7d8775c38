import { VM_EXEC, VM_RAND_READ, VM_SEQ_READ } from '../abi/mman.js';
import { PG_readahead, PG_workingset } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import type { FileRaState } from '../mem/file-ra-state.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { pageIndex, type Vma } from '../mem/vma.js';
import type { FaultContext } from './fault-context.js';
import { type Readahead, ReadaheadToken } from './readahead.js';

/** Misses less hits from which on a mapping reads nothing ahead. */
const MMAP_LOTSAMISS = 100;

/**
 * What faults of mappings read ahead (mm/filemap.c:do_sync_mmap_readahead,
 * do_async_mmap_readahead). Simplified: no VM_HUGEPAGE rule, as the page cache of regular files has
 * no large folios.
 */
@injectable()
export class MmapReadahead {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(ReadaheadToken) private readonly readahead: Readahead,
  ) {}

  /**
   * The page is not cached. Ahead of a reader in sequence; of a program from the page on, inside
   * the area; else around the page, until misses are many more than hits.
   */
  sync(vmf: FaultContext, file: AddressSpace): void {
    const { vma, vpn, nid } = vmf;
    const ra = raOf(vma, file);
    const index = pageIndex(vma, vpn);
    const ctl = { file, ra, index, nid, awaited: index };
    if ((vma.flags & (VM_RAND_READ | VM_EXEC)) === VM_RAND_READ || ra.raPages === 0) return;
    if ((vma.flags & VM_SEQ_READ) !== 0) {
      this.readahead.sync(ctl, ra.raPages);
    } else if ((vma.flags & VM_EXEC) !== 0) {
      const size = Math.min(ra.raPages, pageIndex(vma, vma.end) - index);
      this.readahead.read(ctl, { start: index, size, asyncSize: 0 });
    } else {
      ra.mmapMiss = Math.min(ra.mmapMiss + 1, MMAP_LOTSAMISS * 10);
      if (ra.mmapMiss > MMAP_LOTSAMISS) return;
      const start = Math.max(0, index - Math.floor(ra.raPages / 2));
      this.readahead.read(ctl, { start, size: ra.raPages, asyncSize: Math.floor(ra.raPages / 4) });
    }
  }

  /** The page is cached as `folio`. @returns was it marked, so that the lock was dropped? */
  async(vmf: FaultContext, file: AddressSpace, folio: number): boolean {
    const { vma, vpn, nid } = vmf;
    const ra = raOf(vma, file);
    if ((vma.flags & VM_RAND_READ) !== 0 || ra.raPages === 0) return false;
    hit(vma, ra);
    if (!this.table.has(folio, PG_readahead)) return false;
    const ctl = { file, ra, index: pageIndex(vma, vpn), nid, awaited: -1 };
    this.readahead.async(ctl, folio, ra.raPages);
    return true;
  }

  /**
   * A fault found its page among those that are mapped around it (filemap_map_pages). A page that
   * was evicted not long ago is no hit: it would not last.
   */
  foundAround(vma: Vma, file: AddressSpace, folio: number): void {
    if (!this.table.has(folio, PG_workingset)) hit(vma, raOf(vma, file));
  }
}
export const MmapReadaheadToken = createToken<MmapReadahead>('MmapReadahead');

function raOf(vma: Vma, file: AddressSpace): FileRaState {
  return vma.ra ?? file.ra;
}

/** Areas whose misses are not counted have no hits either. */
function hit({ flags }: Vma, ra: FileRaState): void {
  if ((flags & (VM_SEQ_READ | VM_EXEC)) === 0) ra.mmapMiss = Math.max(0, ra.mmapMiss - 1);
}
