import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Folios, FoliosToken } from './folio.js';

/** Where in a file a folio belongs (folio->mapping, folio->index). */
export interface FilePlace {
  readonly file: AddressSpace;
  readonly index: number;
}

/**
 * Which folio holds which page of which file (the page cache's side of mm/filemap.c). It holds one
 * reference of each folio. Simplified: base pages only.
 */
@injectable()
export class PageCache {
  private readonly places = new Map<number, FilePlace>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
  ) {
    folios.addHolder(() => this.places.keys());
  }

  /** filemap_get_folio: pfn, or -1. */
  find(file: AddressSpace, index: number): number {
    return file.pages.get(index) ?? -1;
  }

  /** Adds a folio, with a reference of the cache's own (filemap_add_folio). */
  add(file: AddressSpace, index: number, folio: number): void {
    assert(!file.pages.has(index), 'a page of a file is cached once');
    assert(this.table.order[folio] === 0, 'the page cache has base pages only');
    this.folios.get(folio);
    file.pages.set(index, folio);
    file.shadows.delete(index);
    this.places.set(folio, { file, index });
  }

  /**
   * Takes a folio out and drops the cache's reference (filemap_remove_folio).
   * @param shadow what stays in its place (`Workingset`)
   */
  remove(folio: number, shadow = 0): void {
    const place = this.places.get(folio);
    assert(place !== undefined, 'the folio is in the page cache');
    place.file.pages.delete(place.index);
    if (shadow !== 0) place.file.shadows.set(place.index, shadow);
    this.places.delete(folio);
    this.folios.put(folio);
  }

  /** The page moved to another frame; the reference moves too (folio_migrate_mapping). */
  replace(src: number, dst: number): void {
    const place = this.places.get(src);
    assert(place !== undefined, 'the folio is in the page cache');
    this.folios.get(dst);
    place.file.pages.set(place.index, dst);
    this.places.delete(src);
    this.places.set(dst, place);
    this.folios.put(src);
  }

  /** The file page that a folio is, or null for anonymous memory. */
  placeOf(folio: number): FilePlace | null {
    return this.places.get(folio) ?? null;
  }

  has(folio: number): boolean {
    return this.places.has(folio);
  }

  /** Every cached folio. */
  folioList(): number[] {
    return [...this.places.keys()];
  }
}
export const PageCacheToken = createToken<PageCache>('PageCache');
