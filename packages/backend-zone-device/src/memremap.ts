import {
  assert,
  createToken,
  EBUSY,
  EINVAL,
  ENOMEM,
  ENXIO,
  type FolioTable,
  FolioTableToken,
  GRANT_MIGRATION,
  GRANT_WRITE,
  inject,
  injectable,
  type Managed,
  ManagedToken,
  type Nodes,
  NodesToken,
  PG_locked,
} from '@mm-lab/mm-core';
import { DevPagemap, type DevPagemapRequest } from './dev-pagemap.js';

/**
 * The page maps of a machine (mm/memremap.c). The pages of one belong to its driver: they are in no
 * zone that allocates, on no LRU list, and come back to the driver when they are freed. The node
 * gets no new state and no zonelist changes.
 *
 * A page: free (refcount 0, its driver's) --pageInit--> allocated (refcount 1, locked) --last
 * put--> free, through `folio_free`.
 */
@injectable()
export class Memremap {
  private readonly pagemaps = new Set<DevPagemap>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /**
   * Makes the range of a node device memory (memremap_pages). Simplified: one range, that of a
   * whole node, as this machine has physical addresses for nodes only.
   *
   * @returns the page map; -EINVAL for a node without a range or a callback that is missing,
   *   -ENOMEM if a page map has it, -ENXIO if it is system memory
   */
  memremapPages(request: DevPagemapRequest): DevPagemap | number {
    if (!this.nodes.exists(request.nid)) return -EINVAL;
    const pgdat = this.nodes.pgdat(request.nid);
    if (pgdat.spannedPages === 0) return -EINVAL;
    const pgmap = new DevPagemap(request, pgdat.base, pgdat.spannedPages);
    if (pgmap.isPrivate() && request.ops.migrate_to_ram === undefined) return -EINVAL;
    if (this.pgmapOf(pgdat.base) !== null) return -ENOMEM;
    if (pgdat.managedPages() > 0) return -ENXIO;
    request.device?.attach({ nid: request.nid, base: pgmap.base, pages: pgmap.pages });
    const owner = this.managed.createOwner(request.name, 'page-map');
    this.managed.claim(owner, pgmap.base, pgmap.pages);
    owner.seal(
      { free_folio: (folio) => this.freeZoneDeviceFolio(pgmap, folio) },
      GRANT_MIGRATION | GRANT_WRITE,
    );
    pgdat.device = request.device;
    pgdat.pagesOutside = () => pgmap.allocated;
    if (request.device !== null) pgdat.setSpeed(request.device);
    this.pagemaps.add(pgmap);
    return pgmap;
  }

  /**
   * Gives the range back (memunmap_pages). The kernel waits until every page was freed; here the
   * driver, who must have evicted them, is told that it has not.
   *
   * @returns 0, or -EBUSY while a page is allocated
   */
  memunmapPages(pgmap: DevPagemap): number {
    if (pgmap.allocated > 0) return -EBUSY;
    if (!this.pagemaps.delete(pgmap)) return 0;
    this.managed.claim(null, pgmap.base, pgmap.pages);
    const pgdat = this.nodes.pgdat(pgmap.request.nid);
    pgdat.device?.detach();
    pgdat.device = null;
    pgdat.pagesOutside = null;
    return 0;
  }

  /** The page map a page belongs to, or null (get_dev_pagemap, without a reference). */
  pgmapOf(pfn: number): DevPagemap | null {
    for (const pgmap of this.pagemaps) if (pgmap.has(pfn)) return pgmap;
    return null;
  }

  /** Can the CPU not address the page (is_device_private_page)? */
  isDevicePrivate(pfn: number): boolean {
    return this.pgmapOf(pfn)?.isPrivate() ?? false;
  }

  /** Makes a free page of the driver an allocated one, locked (zone_device_page_init). */
  pageInit(pgmap: DevPagemap, pfn: number): void {
    assert(pgmap.has(pfn), 'a page map allocates its own pages');
    assert(this.table.refcount[pfn] === 0, 'a free device page has no reference');
    pgmap.allocated += 1;
    this.table.prepareFolio(pfn, 0);
    this.table.set(pfn, PG_locked);
  }

  /** The last reference went (free_zone_device_folio). @returns true: the core is done with it */
  private freeZoneDeviceFolio(pgmap: DevPagemap, folio: number): boolean {
    assert(this.table.mapcount[folio] === 0, 'a freed device page is mapped nowhere');
    assert(!this.table.has(folio, PG_locked), 'a freed device page is not locked');
    this.table.flags[folio] = 0;
    pgmap.ops.folio_free(folio);
    pgmap.allocated -= 1;
    return true;
  }
}
export const MemremapToken = createToken<Memremap>('Memremap');
