/** Stands for contents that nobody recorded: the next read tells. */
export const UNKNOWN = -2;

/** First page and pages of the side area, out of reach of the window of `TaskModel`. */
export const SIDE_BASE = 2 ** 30;
export const SIDE_PAGES = 2048;

/** Contents that several programs see: shared anonymous memory, a file, a huge page pool's file. */
export class SharedObject {
  /** Contents by index; absent = zeroes. */
  readonly content = new Map<number, number>();
  /** Indices whose contents an event may have taken: they may read as something else, or SIGBUS. */
  readonly unsure = new Set<number>();

  constructor(
    readonly kind: 'shmem' | 'regular' | 'huge',
    /** Pages until the end of the file. */
    public sizePages: number,
  ) {}

  at(index: number): number {
    return this.content.get(index) ?? 0;
  }

  /** Everything from an index on, or in a hole, is zeroes. */
  drop(first: number, end: number): void {
    for (const index of [...this.content.keys()]) {
      if (index >= first && index < end) this.content.delete(index);
    }
    for (const index of [...this.unsure]) {
      if (index >= first && index < end) this.unsure.delete(index);
    }
  }
}

/** One mapped page of the side area. */
export interface SidePage {
  /** What it is a page of; null = private anonymous memory. */
  readonly object: SharedObject | null;
  /** Page of the object. */
  readonly index: number;
  readonly isShared: boolean;
  readonly isHuge: boolean;
  /** The mmap that made it: pages of different ones are never one area. */
  readonly mapping: number;
  /** What the program stored into its private copy; null if it has none. */
  own: number | null;
  /** May be zeroes at any read until the next store. */
  isLazy: boolean;
  /** An event may have taken the private contents. */
  isUnsure: boolean;
}

/** What one program may expect of its side area, page by page. */
export class SideModel {
  readonly pages: (SidePage | null)[] = new Array<SidePage | null>(SIDE_PAGES).fill(null);

  unmap(start: number, count: number): void {
    this.pages.fill(null, start, start + count);
  }

  /** Pages from `start` on, `most` of them, that one mmap made. */
  run(start: number, most: number): number {
    const mapping = this.pages[start]?.mapping;
    let count = 0;
    while (count < most && this.pages[start + count]?.mapping === mapping) count++;
    return mapping === undefined ? 0 : count;
  }

  /** What a child has at the fork; huge pages may be taken from either by a store of the other. */
  fork(): SideModel {
    const child = new SideModel();
    for (const [at, page] of this.pages.entries()) {
      if (page === null) continue;
      if (page.isHuge && !page.isShared) page.isUnsure = true;
      child.pages[at] = { ...page };
    }
    return child;
  }

  /** Private copies of pages of an object from an index on are gone (truncation). */
  forgetCopies(object: SharedObject, first: number): void {
    for (const page of this.pages) {
      if (page?.object === object && page.index >= first && !page.isShared) page.own = null;
    }
  }
}

/** Contents that a read of the page must find. */
export function expectedOf(page: SidePage): number {
  if (!page.isShared && page.own !== null) return page.own;
  return page.object === null ? 0 : page.object.at(page.index);
}

/** May a read find something else, or nothing? */
export function isUnsure(page: SidePage): boolean {
  if (page.isLazy || page.isUnsure) return true;
  return page.own === null && page.object?.unsure.has(page.index) === true;
}

/** The program found or stored these contents. */
export function note(page: SidePage, found: number, isStore: boolean): void {
  if (isStore) page.isLazy = false;
  if (page.isShared) {
    page.object?.content.set(page.index, found);
    if (isStore && found !== UNKNOWN) page.object?.unsure.delete(page.index);
    return;
  }
  const isCopy = page.object === null || page.isHuge || page.own !== null || isStore;
  if (isCopy) page.own = found;
  else page.object?.content.set(page.index, found);
  if (isStore) page.isUnsure = false;
}
