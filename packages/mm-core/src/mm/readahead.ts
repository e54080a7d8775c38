import { __GFP_NORETRY, __GFP_NOWARN, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { PG_readahead } from '../abi/page-flags.js';
import { PAGE_SIZE, PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import type { FileRaState } from '../mem/file-ra-state.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type FileRead, FileReadToken } from './file-read.js';
import { type Folios, FoliosToken } from './folio.js';

/** A readahead that somebody asks for (struct readahead_control). */
export interface ReadaheadControl {
  readonly file: AddressSpace;
  readonly ra: FileRaState;
  /** Page that readahead begins with, or looks at. */
  readonly index: number;
  /** Node of the CPU. */
  readonly nid: number;
  /** Page that a task waits for; -1 = none. */
  readonly awaited: number;
}

/** log2 of the folios that a window at a mark would be made of, if there were any. */
const ORDER_STEP = 2;
/** Pages of the units that a forced readahead is cut into: 2 MiB. */
const CHUNK = 2 ** PMD_ORDER;
/** readahead_gfp_mask: nobody is killed for what may never be used. */
const READAHEAD_GFP = GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN;

/**
 * Reads of a file bring in what lies behind them too (mm/readahead.c). The fields of `FileRaState`
 * are the last window; its marked page (PG_readahead), when somebody comes to it, starts the next
 * one. Simplified: as of a file system without large folios (mapping_large_folio_support), where
 * windows are rounded for them and made of base pages; reclaim on the way may write (no
 * memalloc_nofs_save); a congested control group reads ahead too.
 */
@injectable()
export class Readahead {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FileReadToken) private readonly reader: FileRead,
  ) {}

  /** page_cache_sync_ra: the page at `index` is missing, and `wanted` pages are asked for. */
  sync(ctl: ReadaheadControl, wanted: number): void {
    const { file, ra, index } = ctl;
    if (ra.raPages === 0) {
      this.force(ctl, 1);
      return;
    }
    const most = maxPages(ctl, wanted);
    const prevIndex = Math.floor(ra.prevPos / PAGE_SIZE);
    const isNext = prevIndex >= 0 && (index === prevIndex || index === prevIndex + 1);
    if (index === 0 || wanted > most || isNext) {
      const size = initialSize(wanted, most);
      const asyncSize = size > wanted ? size - wanted : size >> 1;
      this.read(ctl, { start: index, size, asyncSize });
      return;
    }
    const miss = prevMiss(file, index - 1, most);
    const before = index - miss - 1;
    if (before <= wanted) {
      this.readCapped(ctl, wanted, 0);
      return;
    }
    const history = miss < 0 ? before * 2 : before;
    this.read(ctl, { start: index, size: Math.min(history + wanted, most), asyncSize: 1 });
  }

  /** page_cache_async_ra: somebody came to the marked page at `index`, the folio `folio`. */
  async(ctl: ReadaheadControl, folio: number, wanted: number): void {
    const { file, ra, index } = ctl;
    if (ra.raPages === 0) return;
    this.table.clear(folio, PG_readahead);
    const most = maxPages(ctl, wanted);
    let { start, size } = ra;
    if (index === start + size - ra.asyncSize) {
      start += size;
      size = Math.max(size, nextSize(size, most));
    } else {
      start = nextMiss(file, index + 1, most);
      if (start - index > most) return;
      size = nextSize(start - index + wanted, most);
    }
    const align = 2 ** Math.min(ORDER_STEP, trailingZeros(most));
    const end = start + size;
    const alignedEnd = end - (end % align);
    if (alignedEnd > start) size = alignedEnd - start;
    this.read({ ...ctl, index: start }, { start, size, asyncSize: size });
  }

  /** force_page_cache_ra: so many pages, whatever was read before. */
  force(ctl: ReadaheadControl, wanted: number): void {
    const most = Math.max(ctl.file.bdi.ioPages, ctl.ra.raPages);
    let { index } = ctl;
    for (let left = Math.min(wanted, most); left > 0; left -= CHUNK) {
      index = this.readCapped({ ...ctl, index }, Math.min(left, CHUNK), 0);
    }
  }

  /** A new window (page_cache_ra_order); what readahead knows of the file is that window. */
  read(ctl: ReadaheadControl, window: Pick<FileRaState, 'start' | 'size' | 'asyncSize'>): void {
    Object.assign(ctl.ra, window);
    this.readCapped({ ...ctl, index: window.start }, window.size, window.asyncSize);
  }

  /** do_page_cache_ra: not behind the page with the last byte, and no mark if that is reached. */
  private readCapped(ctl: ReadaheadControl, wanted: number, lookahead: number): number {
    const last = ctl.file.sizePages - 1;
    if (ctl.index > last) return ctl.index;
    if (wanted <= last - ctl.index) return this.unbounded(ctl, wanted, lookahead);
    return this.unbounded(ctl, last - ctl.index + 1, 0);
  }

  /**
   * page_cache_ra_unbounded: what is cached already splits the pages into several requests, and a
   * mark that falls on it is left out. Pages are locked until their request is made, so reclaim for
   * the later ones leaves the first.
   * @returns index behind the last page that was looked at
   */
  private unbounded(ctl: ReadaheadControl, pages: number, lookahead: number): number {
    const { file, index: first, nid } = ctl;
    const mark = lookahead > 0 && lookahead <= pages ? first + pages - lookahead : -1;
    let run: number[] = [];
    let index = first;
    for (; index < first + pages; index++) {
      const isCached = file.pages.has(index);
      const pfn = isCached ? -1 : this.reader.add({ file, index, nid }, READAHEAD_GFP, 'read');
      if (pfn >= 0) {
        this.folios.trylock(pfn);
        if (index === mark) this.table.set(pfn, PG_readahead);
        run.push(index);
        continue;
      }
      this.readPages(ctl, run);
      run = [];
      if (!file.pages.has(index)) break;
    }
    this.readPages(ctl, run);
    return index;
  }

  /** read_pages: one request for pages in a row. */
  private readPages({ file, awaited }: ReadaheadControl, indices: readonly number[]): void {
    let onDisk = 0;
    let waiter: 'awaited' | 'ahead' = 'ahead';
    for (const index of indices) {
      this.folios.unlock(file.pages.get(index) ?? -1);
      if (!file.disk.has(index)) continue;
      onDisk += 1;
      if (index === awaited) waiter = 'awaited';
    }
    this.reader.request(onDisk, waiter);
  }
}
export const ReadaheadToken = createToken<Readahead>('Readahead');

/** ractl_max_pages: a larger request may be as large as the device takes. */
function maxPages({ file, ra }: ReadaheadControl, wanted: number): number {
  const { ioPages } = file.bdi;
  return wanted > ra.raPages && ioPages > ra.raPages ? Math.min(wanted, ioPages) : ra.raPages;
}

/** get_init_ra_size. */
function initialSize(wanted: number, most: number): number {
  const size = 2 ** Math.ceil(Math.log2(wanted));
  if (size <= Math.floor(most / 32)) return size * 4;
  return size <= Math.floor(most / 4) ? size * 2 : most;
}

/** get_next_ra_size. */
function nextSize(size: number, most: number): number {
  if (size < Math.floor(most / 16)) return size * 4;
  return size <= Math.floor(most / 2) ? size * 2 : most;
}

/** The first page before a gap, going back (page_cache_prev_miss); -1 if the file begins first. */
function prevMiss(file: AddressSpace, index: number, most: number): number {
  let at = index;
  for (let left = most; left > 0 && at >= 0; left--, at--) if (!file.pages.has(at)) return at;
  return at;
}

/** The first page that is missing (page_cache_next_miss). */
function nextMiss(file: AddressSpace, index: number, most: number): number {
  let at = index;
  while (at < index + most && file.pages.has(at)) at++;
  return at;
}

/** ffs(n) - 1. */
function trailingZeros(n: number): number {
  return 31 - Math.clz32(n & -n);
}
