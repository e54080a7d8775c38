import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Folios, FoliosToken } from './folio.js';

/** Where in a file a page belongs (folio->mapping, folio->index). */
export interface FilePlace {
  readonly file: AddressSpace;
  readonly index: number;
}

/**
 * Which folio holds which page of which file (the page cache's side of mm/filemap.c). It holds one
 * reference for each page of a folio.
 */
@injectable()
export class PageCache {
  /** Place of the first page of each folio. */
  private readonly places = new Map<number, FilePlace>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
  ) {
    folios.addHolder(() => this.held());
  }

  /** filemap_get_page: pfn of that very page, or -1. */
  find(file: AddressSpace, index: number): number {
    return file.pages.get(index) ?? -1;
  }

  /** Adds a folio from `index` on, with references of the cache's own (filemap_add_folio). */
  add(file: AddressSpace, index: number, folio: number): void {
    for (let at = 0; at < this.table.nrPages(folio); at++) {
      assert(!file.pages.has(index + at), 'a page of a file is cached once');
      file.pages.set(index + at, folio + at);
      file.shadows.delete(index + at);
      this.folios.get(folio);
    }
    this.places.set(folio, { file, index });
  }

  /**
   * Takes a folio out and drops the cache's references (filemap_remove_folio).
   * @param shadow what stays in its place (`Workingset`)
   */
  remove(folio: number, shadow = 0): void {
    const place = this.placeOfFolio(folio);
    const pages = this.table.nrPages(folio);
    for (let at = 0; at < pages; at++) place.file.pages.delete(place.index + at);
    if (shadow !== 0) place.file.shadows.set(place.index, shadow);
    this.places.delete(folio);
    for (let at = 0; at < pages; at++) this.folios.put(folio);
  }

  /** The folio moved to other frames; the references move too (folio_migrate_mapping). */
  replace(src: number, dst: number): void {
    const place = this.placeOfFolio(src);
    const pages = this.table.nrPages(src);
    this.places.delete(src);
    this.places.set(dst, place);
    for (let at = 0; at < pages; at++) {
      this.folios.get(dst);
      place.file.pages.set(place.index + at, dst + at);
      this.folios.put(src);
    }
  }

  /** A folio is about to become base pages: each is found at its own place (__folio_split). */
  split(folio: number): void {
    const { file, index } = this.placeOfFolio(folio);
    for (let at = 0; at < this.table.nrPages(folio); at++) {
      this.places.set(folio + at, { file, index: index + at });
    }
  }

  /** The file page that a page is, or null for anonymous memory. */
  placeOf(pfn: number): FilePlace | null {
    const folio = this.table.head(pfn);
    const place = this.places.get(folio);
    if (place === undefined) return null;
    return pfn === folio ? place : { file: place.file, index: place.index + (pfn - folio) };
  }

  has(folio: number): boolean {
    return this.places.has(folio);
  }

  /** References that the cache holds of a folio. */
  references(folio: number): number {
    return this.has(folio) ? this.table.nrPages(folio) : 0;
  }

  /** Every cached folio. */
  folioList(): number[] {
    return [...this.places.keys()];
  }

  /** Each folio as often as it is held. */
  private *held(): IterableIterator<number> {
    for (const folio of this.places.keys()) {
      for (let at = 0; at < this.table.nrPages(folio); at++) yield folio;
    }
  }

  private placeOfFolio(folio: number): FilePlace {
    const place = this.places.get(folio);
    assert(place !== undefined, 'the folio is in the page cache');
    return place;
  }
}
export const PageCacheToken = createToken<PageCache>('PageCache');
