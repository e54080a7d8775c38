import {
  assert,
  ENOMEM,
  GFP_HIGHUSER,
  GFP_HIGHUSER_MOVABLE,
  PG_head,
  PMD_ORDER,
  PTRS_PER_PTE,
  type VmFault,
} from '@mm-lab/mm-core';
import type { DevPagemap } from '../dev-pagemap.js';
import { MEMORY_DEVICE_PRIVATE, type MemoryType } from '../memory-type.js';
import {
  isCompound,
  MIGRATE_PFN_COMPOUND,
  MIGRATE_PFN_MIGRATE,
  migratePfn,
  migratePfnToPage,
} from '../migrate-pfn.js';
import type { Dmirror } from './dmirror.js';
import type { DmirrorChunk } from './dmirror-chunk.js';
import type { DmirrorParts } from './dmirror-parts.js';

/** What a page of the device has behind it. */
interface Backing {
  /** The frame of RAM that plays the device's memory, or -1 where the page itself does. */
  readonly rpage: number;
  /** The handle that moved it here last. */
  readonly dmirror: Dmirror;
}

/** How a device is set up. */
export interface DmirrorDeviceOptions {
  readonly name: string;
  readonly type: MemoryType;
  /** Possible node without memory, whose pages the chunks take. */
  readonly nid: number;
  /** Pages of a chunk. */
  readonly chunkPages: number;
}

/**
 * One unit of the kernel's HMM test device (lib/test_hmm.c): memory in chunks with an allocator of
 * its own, two stacks of free base pages and free huge folios. Private memory is backed by RAM that
 * hides behind the page.
 */
export class DmirrorDevice {
  readonly chunks: DmirrorChunk[] = [];
  private readonly freePages: number[] = [];
  private readonly freeFolios: number[] = [];
  private readonly backing = new Map<number, Backing>();
  /** Base pages ever allocated and freed. */
  allocated = 0;
  freed = 0;
  /** Fails the next so many allocations of an order; for tests of what happens then. */
  failNext: (order: number) => boolean = () => false;
  /** Fails the next copies to the device, back to RAM on demand, or in an eviction, likewise. */
  failCopy: (way: 'there' | 'back' | 'evict') => boolean = () => false;

  constructor(
    private readonly parts: DmirrorParts,
    readonly options: DmirrorDeviceOptions,
  ) {
    parts.folios.addHolder(() => this.backingPages());
    this.addChunk('pages');
  }

  isPrivate(): boolean {
    return this.options.type === MEMORY_DEVICE_PRIVATE;
  }

  owns(pfn: number): boolean {
    return this.parts.memremap.pgmapOf(pfn)?.owner === this;
  }

  /** Pages that nobody uses, in base pages. */
  freeCount(): number {
    return this.freePages.length + this.freeFolios.length * PTRS_PER_PTE;
  }

  /** A locked page or huge folio for a handle, or -1 (dmirror_devmem_alloc_page). */
  alloc(dmirror: Dmirror, order: number): number {
    if (this.failNext(order)) return -1;
    const { pageAlloc, work, table } = this.parts;
    let rpage = -1;
    if (this.isPrivate()) {
      const gfp = GFP_HIGHUSER;
      rpage = pageAlloc.alloc({ gfp, order, nid: work.cpuNid, nodemask: null });
      if (rpage < 0) return -1;
    }
    const dpage = this.take(order);
    if (dpage < 0) {
      if (rpage >= 0) this.parts.folios.put(rpage);
      return -1;
    }
    this.allocated += 1 << order;
    const pagemap = this.pagemapOf(dpage);
    this.parts.memremap.folioInit(pagemap, dpage, order);
    assert(table.order[dpage] === order, 'the folio has the order that was asked for');
    this.backing.set(dpage, { rpage, dmirror });
    return dpage;
  }

  /** Moves every page in use to RAM, as far as it can (dmirror_device_evict_chunk). */
  evict(): void {
    for (const chunk of this.chunks) this.evictChunk(chunk);
  }

  /** Gives the chunks back; the next allocation makes a new one (dmirror_device_remove_chunks). */
  removeChunks(): void {
    for (const chunk of this.chunks) {
      chunk.remove = true;
      dropOf(this.freePages, chunk.pagemap);
      dropOf(this.freeFolios, chunk.pagemap);
      this.evictChunk(chunk);
      const rc = this.parts.memremap.memunmapPages(chunk.pagemap);
      assert(rc === 0, 'an evicted chunk is free');
    }
    this.chunks.length = 0;
    this.freePages.length = 0;
    this.freeFolios.length = 0;
  }

  private take(order: number): number {
    const list = order > 0 ? this.freeFolios : this.freePages;
    const known = list.pop();
    if (known !== undefined) return known;
    if (this.addChunk(order > 0 ? 'folios' : 'pages') < 0) return -1;
    return list.pop() ?? -1;
  }

  /**
   * dmirror_allocate_chunk: a free region for private memory; a coherent device has but one.
   * @param cut what the chunk is handed out as
   */
  private addChunk(cut: 'pages' | 'folios'): number {
    const { memremap } = this.parts;
    const { name, type, nid, chunkPages } = this.options;
    const start = memremap.requestFreeRegion(nid, chunkPages);
    if (start < 0 || (!this.isPrivate() && this.chunks.length > 0)) return -ENOMEM;
    const pagemap = memremap.memremapPages({
      name,
      type,
      nid,
      range: { start, pages: chunkPages },
      device: null,
      owner: this,
      ops: {
        folio_free: (folio) => this.devmemFree(folio),
        migrate_to_ram: (vmf, page) => this.devmemFault(vmf, page),
        folio_split: (head, tail) => this.devmemSplit(head, tail),
      },
    });
    if (typeof pagemap === 'number') return pagemap;
    this.chunks.push({ pagemap, remove: false });
    const step = cut === 'folios' ? PTRS_PER_PTE : 1;
    const list = cut === 'folios' ? this.freeFolios : this.freePages;
    for (let at = start; at + step <= start + chunkPages; at += step) list.push(at);
    return 0;
  }

  private pagemapOf(page: number): DevPagemap {
    const pagemap = this.parts.memremap.pgmapOf(page);
    assert(pagemap !== null, 'a page of the device has a page map');
    return pagemap;
  }

  /** dmirror_devmem_free. */
  private devmemFree(folio: number): void {
    const order = this.parts.table.order[folio]!;
    const { rpage } = this.backing.get(folio) ?? { rpage: -1 };
    this.backing.delete(folio);
    if (rpage >= 0) this.parts.folios.put(rpage);
    this.freed += 1 << order;
    const chunk = this.chunks.find(({ pagemap }) => pagemap.has(folio));
    if (chunk?.remove !== false) return;
    if (order > 0) this.freeFolios.push(folio);
    else this.freePages.push(folio);
  }

  /** A CPU touched private memory: the handle that moved it here brings it back. */
  private devmemFault(vmf: VmFault, page: number): number {
    const known = this.backing.get(this.parts.table.head(page));
    assert(known !== undefined, 'a mapped page of the device has a handle');
    return known.dmirror.migrateToRam(vmf, page);
  }

  /** What is behind the folio is split with it (dmirror_devmem_folio_split). */
  private devmemSplit(head: number, tail: number): void {
    const { table } = this.parts;
    const known = this.backing.get(head);
    assert(known !== undefined, 'a folio of the device has a handle');
    const { rpage, dmirror } = known;
    if (tail < 0) {
      if (rpage < 0) return;
      table.clear(rpage, PG_head);
      table.order[rpage] = 0;
      return;
    }
    const rtail = rpage < 0 ? -1 : rpage + (tail - head);
    this.backing.set(tail, { rpage: rtail, dmirror });
    if (rtail < 0) return;
    table.flags[rtail] = 0;
    table.order[rtail] = 0;
    table.memcg[rtail] = table.memcg[rpage]!;
    table.refcount[rtail] = 1;
  }

  private evictChunk({ pagemap }: DmirrorChunk): void {
    const { table, migrateDevice, pageAlloc, folios, work, deviceCopy } = this.parts;
    const pages: number[] = [];
    for (let pfn = pagemap.base; pfn < pagemap.base + pagemap.pages; pfn++) {
      if (table.refcount[table.head(pfn)]! > 0) pages.push(pfn);
    }
    if (pages.length === 0) return;
    const entries = migrateDevice.pfns(pages);
    entries.src.forEach((entry, at) => {
      const source = migratePfnToPage(entry);
      if (source < 0 || (entry & MIGRATE_PFN_MIGRATE) === 0) return;
      const order = isCompound(entry) ? PMD_ORDER : 0;
      const request = { gfp: GFP_HIGHUSER_MOVABLE, order, nid: work.cpuNid, nodemask: null };
      const target = pageAlloc.alloc(request);
      if (target < 0) return;
      folios.trylock(target);
      if (this.failCopy('evict')) {
        folios.unlock(target);
        folios.put(target);
        return;
      }
      entries.dst[at] = migratePfn(target) + (order > 0 ? MIGRATE_PFN_COMPOUND : 0);
      for (let i = 0; i < 1 << order; i++) deviceCopy.copy(target + i, source + i);
    });
    migrateDevice.pages(entries);
    migrateDevice.finalize(entries);
  }

  private *backingPages(): IterableIterator<number> {
    for (const { rpage } of this.backing.values()) if (rpage >= 0) yield rpage;
  }
}

function dropOf(list: number[], pagemap: DevPagemap): void {
  const kept = list.filter((page) => !pagemap.has(page));
  list.splice(0, list.length, ...kept);
}
