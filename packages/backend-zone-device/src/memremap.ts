import {
  assert,
  createToken,
  EBUSY,
  EINVAL,
  ENOMEM,
  ENXIO,
  EOPNOTSUPP,
  EREMOTEIO,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  GRANT_LONGTERM_PIN,
  GRANT_MIGRATION,
  GRANT_WRITE,
  inject,
  injectable,
  type Managed,
  ManagedToken,
  type MemCgroups,
  MemCgroupsToken,
  type MemoryFailure,
  MemoryFailureToken,
  N_MEMORY,
  type Nodes,
  NodesToken,
  type Owner,
  PG_locked,
} from '@mm-lab/mm-core';
import { DevPagemap, type DevPagemapRequest } from './dev-pagemap.js';
import {
  countsPages,
  freeReferences,
  isDriverAllocated,
  isLongtermPinnable,
  MEMORY_DEVICE_FS_DAX,
  MEMORY_DEVICE_GENERIC,
  MEMORY_DEVICE_PCI_P2PDMA,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
} from './memory-type.js';

/**
 * The page maps of a machine (mm/memremap.c). The pages of one belong to its driver: they are in no
 * zone that allocates, on no LRU list, and come back to the driver when they are freed. The node
 * gets no new state and no zonelist changes.
 *
 * A page: free (refcount 0, its driver's) --folioInit--> allocated (refcount 1, locked) --last
 * put--> free, through `folio_free`. GENERIC pages rest at one reference; FS_DAX and GENERIC ones
 * are in use while they have more references than a free one, and nobody initialises them.
 */
@injectable()
export class Memremap {
  /** In the order of their pages. */
  private readonly pagemaps: DevPagemap[] = [];
  /** The page map that was found last. */
  private last: DevPagemap | null = null;
  /** The core's word for a driver's memory of one type, however many page maps it has. */
  private readonly owners = new Map<object, Map<MemoryType, Owner>>();

  /** Who waits for FS_DAX pages to be idle. */
  private readonly waiters = new Map<number, (() => void)[]>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(FoliosToken) folios: Folios,
    @inject(MemoryFailureToken) memoryFailure: MemoryFailure,
  ) {
    folios.addHolder(() => this.restingPages());
    memoryFailure.onOffline = (pfn, flags) => this.memoryFailureDevPagemap(pfn, flags);
  }

  /**
   * Makes a range device memory (memremap_pages). Simplified: the range lies in the pages of a
   * possible node, as this machine has physical addresses for nodes only; one range a map.
   *
   * @returns the page map; -EINVAL for a node without such a range or for what the type misses,
   *   -ENOMEM if a page map has a part of it, -ENXIO if it is system memory
   */
  memremapPages(request: DevPagemapRequest): DevPagemap | number {
    if (!this.nodes.exists(request.nid)) return -EINVAL;
    const pgdat = this.nodes.pgdat(request.nid);
    const start = request.range?.start ?? pgdat.base;
    const pages = request.range?.pages ?? pgdat.spannedPages;
    const end = start + pages;
    if (pages <= 0 || start < pgdat.base || end > pgdat.base + pgdat.spannedPages) return -EINVAL;
    if (!hasWhatItNeeds(request)) return -EINVAL;
    if (this.pgmapOf(start) !== null || this.pgmapOf(end - 1) !== null) return -ENOMEM;
    if (pgdat.managedPages() > 0) return -ENXIO;
    const pgmap = new DevPagemap(request, start, pages);
    this.claim(pgmap);
    pgdat.device = request.device;
    pgdat.pagesOutside = () => this.allocatedOn(request.nid);
    pgdat.countedNid = request.localNid ?? this.nodes.inState(N_MEMORY)[0] ?? request.nid;
    if (request.device !== null) pgdat.setSpeed(request.device);
    this.pagemaps.splice(this.indexOf(start), 0, pgmap);
    return pgmap;
  }

  /**
   * Gives the range back (memunmap_pages). The kernel waits until every page was freed; here the
   * driver, who must have evicted them, is told that it has not. A file system that waits for idle
   * pages before it lets go of its map (dax_break_layout) is part of this.
   *
   * @returns 0, or -EBUSY while a page is in use
   */
  memunmapPages(pgmap: DevPagemap): number {
    if (pgmap.allocated > 0 || this.busyPage(pgmap) >= 0) return -EBUSY;
    const at = this.pagemaps.indexOf(pgmap);
    if (at < 0) return 0;
    this.pagemaps.splice(at, 1);
    this.last = null;
    this.table.refcount.fill(0, pgmap.base, pgmap.base + pgmap.pages);
    this.managed.claim(null, pgmap.base, pgmap.pages);
    const { nid } = pgmap.request;
    if (this.pagemaps.some(({ request }) => request.nid === nid)) return 0;
    const pgdat = this.nodes.pgdat(nid);
    pgdat.device?.detach();
    pgdat.device = null;
    pgdat.pagesOutside = null;
    pgdat.countedNid = nid;
    return 0;
  }

  /** The first page of a map with more references than a free one, or -1 (dax_layout_busy_page). */
  busyPage({ request, base, pages }: DevPagemap): number {
    const free = freeReferences(request.type);
    const at = this.table.refcount.subarray(base, base + pages).findIndex((count) => count > free);
    return at < 0 ? -1 : base + at;
  }

  /** Calls the waiter once a DAX page has no reference: now or at its last put (wait_page_idle). */
  whenIdle(pfn: number, waiter: () => void): void {
    if (this.table.refcount[pfn] === 0) waiter();
    else this.waiters.set(pfn, [...(this.waiters.get(pfn) ?? []), waiter]);
  }

  /**
   * A hole of the node's pages that no page map has (request_free_mem_region), aligned to its
   * size. @returns its first page or -1
   */
  requestFreeRegion(nid: number, pages: number): number {
    const { base, spannedPages } = this.nodes.pgdat(nid);
    for (let start = base; start + pages <= base + spannedPages; start += pages) {
      if (this.pgmapOf(start) === null && this.pgmapOf(start + pages - 1) === null) return start;
    }
    return -1;
  }

  /** The page map a page belongs to, or null (get_dev_pagemap, without a reference). */
  pgmapOf(pfn: number): DevPagemap | null {
    if (this.last?.has(pfn) === true) return this.last;
    if (!this.nodes.isValid(pfn)) return null;
    // Only pages of nodes without memory of their own have a page map.
    if (this.nodes.zoneOf(pfn).managedPages > 0) return null;
    const pgmap = this.pagemaps[this.indexOf(pfn + 1) - 1];
    if (pgmap?.has(pfn) !== true) return null;
    this.last = pgmap;
    return pgmap;
  }

  /** Can the CPU not address the page (is_device_private_page)? */
  isDevicePrivate(pfn: number): boolean {
    return this.pgmapOf(pfn)?.isPrivate() ?? false;
  }

  /** Makes a free page of the driver an allocated one, locked (zone_device_page_init). */
  pageInit(pgmap: DevPagemap, pfn: number): void {
    this.folioInit(pgmap, pfn, 0);
  }

  /** The same for a folio of an order (zone_device_folio_init). */
  folioInit(pgmap: DevPagemap, pfn: number, order: number): void {
    const pages = 1 << order;
    assert(pgmap.has(pfn) && pgmap.has(pfn + pages - 1), 'a page map allocates its own pages');
    assert(pfn % pages === 0, 'a folio is aligned to its size');
    for (let at = pfn; at < pfn + pages; at++) {
      assert(this.table.refcount[at] === 0, 'a free device page has no reference');
      this.table.flags[at] = 0;
      this.table.order[at] = 0;
    }
    if (countsPages(pgmap.request.type)) pgmap.allocated += pages;
    this.table.prepareFolio(pfn, order);
    this.table.set(pfn, PG_locked);
  }

  private claim(pgmap: DevPagemap): void {
    const { request, base, pages } = pgmap;
    if (this.allocatedOn(request.nid) === 0 && this.nodes.pgdat(request.nid).device === null) {
      request.device?.attach({ nid: request.nid, base, pages });
    }
    this.managed.claim(this.ownerOf(pgmap), base, pages);
    const references = freeReferences(request.type);
    if (references > 0) this.table.refcount.fill(references, base, base + pages);
  }

  /** Page maps of one driver and type share an owner: there are 255, and a driver adds chunks. */
  private ownerOf({ request }: DevPagemap): Owner {
    const key = request.owner ?? request;
    const known = this.owners.get(key)?.get(request.type);
    if (known !== undefined) return known;
    const owner = this.managed.createOwner(request.name, 'page-map');
    const hasSplit = request.type === MEMORY_DEVICE_PRIVATE && request.ops.folio_split;
    owner.seal(
      {
        free_folio: (folio) => this.freeZoneDeviceFolio(folio),
        ...(hasSplit
          ? { folio_split: (head, tail) => this.pgmapOf(head)?.ops.folio_split?.(head, tail) }
          : {}),
      },
      GRANT_WRITE |
        (isDriverAllocated(request.type) ? GRANT_MIGRATION : 0) |
        (isLongtermPinnable(request.type) ? GRANT_LONGTERM_PIN : 0),
    );
    if (request.type === MEMORY_DEVICE_PCI_P2PDMA) owner.grabRefusal = -EREMOTEIO;
    const byType = this.owners.get(key) ?? new Map<MemoryType, Owner>();
    this.owners.set(key, byType.set(request.type, owner));
    return owner;
  }

  /** Page maps that begin before a page. */
  private indexOf(pfn: number): number {
    let [low, high] = [0, this.pagemaps.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.pagemaps[middle]!.base < pfn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last reference went (free_zone_device_folio). @returns true: the core is done with it */
  private freeZoneDeviceFolio(folio: number): boolean {
    const pgmap = this.pgmapOf(folio);
    assert(pgmap !== null, 'a device page has a page map');
    const pages = this.table.nrPages(folio);
    assert(this.table.folioMapcount(folio) === 0, 'a freed device page is mapped nowhere');
    assert(!this.table.has(folio, PG_locked), 'a freed device page is not locked');
    this.memcgs.uncharge(folio);
    const { type } = pgmap.request;
    if (type !== MEMORY_DEVICE_FS_DAX && type !== MEMORY_DEVICE_GENERIC) {
      pgmap.ops.folio_free?.(folio);
    }
    this.table.flags.fill(0, folio, folio + pages);
    this.table.order.fill(0, folio, folio + pages);
    if (countsPages(type)) pgmap.allocated -= pages;
    this.table.refcount[folio] = freeReferences(type);
    if (type === MEMORY_DEVICE_FS_DAX) this.wake(folio);
    return true;
  }

  private wake(pfn: number): void {
    const waiting = this.waiters.get(pfn) ?? [];
    this.waiters.delete(pfn);
    for (const waiter of waiting) waiter();
  }

  /**
   * An error in a device page (memory_failure_dev_pagemap). The generic handler can lock pages of
   * DAX files only, and says -EBUSY for all others (mf_generic_kill_procs).
   */
  private memoryFailureDevPagemap(pfn: number, flags: number): number {
    const rc = this.pgmapOf(pfn)?.ops.memory_failure?.(pfn, flags) ?? -EOPNOTSUPP;
    return rc === -EOPNOTSUPP ? -EBUSY : rc;
  }

  private allocatedOn(nid: number): number {
    let allocated = 0;
    for (const { request, allocated: own } of this.pagemaps) {
      if (request.nid === nid) allocated += own;
    }
    return allocated;
  }

  /** Free pages that have a reference all the same. */
  private *restingPages(): IterableIterator<number> {
    for (const { request, base, pages } of this.pagemaps) {
      if (freeReferences(request.type) === 0) continue;
      for (let pfn = base; pfn < base + pages; pfn++) yield pfn;
    }
  }
}
export const MemremapToken = createToken<Memremap>('Memremap');

/** What memremap_pages demands of each type. */
function hasWhatItNeeds({ type, ops, owner }: DevPagemapRequest): boolean {
  if (!isDriverAllocated(type)) return true;
  if (owner === null || ops.folio_free === undefined) return false;
  return type !== MEMORY_DEVICE_PRIVATE || ops.migrate_to_ram !== undefined;
}
