import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Folios, FoliosToken } from './folio.js';
import type { FilePlace } from './page-cache.js';

/**
 * Pages of the pool that files of shared mappings hold, by file and index in huge pages
 * (mm/hugetlb.c:hugetlb_add_to_page_cache). Each has one reference of ours.
 */
@injectable()
export class HugetlbCache {
  private readonly cached = new Map<AddressSpace, Map<number, number>>();
  /** The same by folio. */
  private readonly places = new Map<number, FilePlace>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
  ) {
    folios.addHolder(() => this.places.keys());
  }

  /** The file's page at an index, or -1. */
  page(file: AddressSpace, index: number): number {
    return this.cached.get(file)?.get(index) ?? -1;
  }

  /** The file's pages with their indexes, as they are now. */
  pages(file: AddressSpace): readonly (readonly [index: number, folio: number])[] {
    return [...(this.cached.get(file) ?? [])];
  }

  insert(file: AddressSpace, index: number, folio: number): void {
    const pages = this.cached.get(file) ?? new Map<number, number>();
    this.cached.set(file, pages);
    pages.set(index, folio);
    this.places.set(folio, { file, index });
    this.folios.get(folio);
  }

  /** The file holds the page no more. */
  drop(folio: number): void {
    const place = this.places.get(folio);
    if (place === undefined) return;
    this.places.delete(folio);
    const pages = this.cached.get(place.file);
    pages?.delete(place.index);
    if (pages?.size === 0) this.cached.delete(place.file);
    this.folios.put(folio);
  }

  /** The page's content went to another folio (hugetlbfs_migrate_folio). */
  replace(from: number, to: number): void {
    const place = this.places.get(from);
    if (place === undefined) return;
    this.drop(from);
    this.insert(place.file, place.index, to);
  }

  /** Does a file hold the folio? */
  has(folio: number): boolean {
    return this.places.has(folio);
  }

  /** The base page of a file that a frame is, or null. */
  placeOf(pfn: number): FilePlace | null {
    const head = this.table.head(pfn);
    const place = this.places.get(head);
    if (place === undefined) return null;
    return { file: place.file, index: place.index * PTRS_PER_PTE + pfn - head };
  }
}
export const HugetlbCacheToken = createToken<HugetlbCache>('HugetlbCache');
