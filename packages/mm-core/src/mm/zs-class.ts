import { PAGE_SIZE } from '../abi/zone.js';
import { assert } from '../base/assert.js';

const ZS_MIN_ALLOC_SIZE = 32;
/** Classes are so many bytes apart (PAGE_SIZE >> CLASS_BITS). */
const ZS_SIZE_CLASS_DELTA = 16;
/** Longest chain of pages of one zspage (CONFIG_ZSMALLOC_CHAIN_SIZE, its default). */
const ZS_MAX_PAGES_PER_ZSPAGE = 8;
const ZS_SIZE_CLASSES = Math.ceil((PAGE_SIZE - ZS_MIN_ALLOC_SIZE) / ZS_SIZE_CLASS_DELTA) + 1;
/** How full a zspage is: 0 = empty, 1 to 10 by tenths, 11 = full (enum fullness_group). */
const ZS_INUSE_RATIO_99 = 10;
const ZS_INUSE_RATIO_100 = 11;
const NR_FULLNESS_GROUPS = 12;

/** Objects of one size in chains of pages (struct size_class). */
export interface SizeClass {
  readonly bytes: number;
  readonly pagesPerZspage: number;
  readonly objectsPerZspage: number;
}

/** A chain of pages that holds objects of one class (struct zspage). */
export interface Zspage {
  readonly class: ZsClass;
  readonly pages: readonly number[];
  /** Handles of the objects in it. */
  readonly objects: Set<number>;
  /** Neighbours in the list of how full it is; the last put there comes first. */
  before: Zspage | null;
  after: Zspage | null;
}

/**
 * The size class of each multiple of 16 bytes; neighbours that would have equal chains share the
 * larger one (zs_create_pool).
 */
export function sizeClasses(): readonly SizeClass[] {
  const classes: SizeClass[] = [];
  for (let at = ZS_SIZE_CLASSES - 1; at >= 0; at--) {
    const made = classOf(classBytes(at));
    const last = classes.at(-1);
    classes.push(last !== undefined && canMerge(last, made) ? last : made);
  }
  return classes.reverse();
}

/** Objects from this many bytes on have a page each (zs_huge_class_size). */
export function hugeClassSize(handleBytes: number): number {
  for (let at = ZS_SIZE_CLASSES - 1; at >= 0; at--) {
    const { bytes, pagesPerZspage, objectsPerZspage } = classOf(classBytes(at));
    if (pagesPerZspage !== 1 && objectsPerZspage !== 1) return bytes - (handleBytes - 1);
  }
  return PAGE_SIZE;
}

/** A size class of one pool, and its zspages by how full they are. */
export class ZsClass {
  private readonly heads = new Array<Zspage | null>(NR_FULLNESS_GROUPS).fill(null);
  private allocated = 0;
  private inUse = 0;

  constructor(readonly size: SizeClass) {}

  /** The class for objects of so many bytes, handle included (lookup_size_class). */
  static of(classes: readonly ZsClass[], bytes: number): ZsClass {
    const over = Math.max(0, bytes - ZS_MIN_ALLOC_SIZE);
    const found = classes[Math.min(ZS_SIZE_CLASSES - 1, Math.ceil(over / ZS_SIZE_CLASS_DELTA))];
    assert(found !== undefined, 'every size has a class');
    return found;
  }

  /** find_get_zspage, isolate_dst_zspage. */
  fullestWithRoom(): Zspage | null {
    for (let group = ZS_INUSE_RATIO_99; group > 0; group--) {
      const found = this.heads[group] ?? null;
      if (found !== null) return found;
    }
    return null;
  }

  /** isolate_src_zspage, while another is isolated. */
  emptiest(other: Zspage): Zspage | null {
    for (let group = 1; group <= ZS_INUSE_RATIO_99; group++) {
      const head = this.heads[group] ?? null;
      const found = head === other ? head.after : head;
      if (found !== null) return found;
    }
    return null;
  }

  /** A fresh chain; its first object follows at once. */
  insert(pages: readonly number[]): Zspage {
    const objects = new Set<number>();
    const zspage: Zspage = { class: this, pages, objects, before: null, after: null };
    this.allocated += this.size.objectsPerZspage;
    this.put(zspage, 0);
    return zspage;
  }

  add(zspage: Zspage, handle: number): void {
    const before = this.groupOf(zspage);
    zspage.objects.add(handle);
    this.inUse++;
    this.fixGroup(zspage, before);
  }

  remove(zspage: Zspage, handle: number): void {
    const before = this.groupOf(zspage);
    assert(zspage.objects.delete(handle), 'the object is in its zspage');
    this.inUse--;
    this.fixGroup(zspage, before);
  }

  /** The chain is empty and goes (remove_zspage). */
  drop(zspage: Zspage): void {
    this.take(zspage, 0);
    this.allocated -= this.size.objectsPerZspage;
  }

  /** Pages that packing the objects anew would free (zs_can_compact). */
  compactable(): number {
    const wasted = Math.floor((this.allocated - this.inUse) / this.size.objectsPerZspage);
    return wasted * this.size.pagesPerZspage;
  }

  *zspages(): IterableIterator<Zspage> {
    for (const head of this.heads) {
      for (let at = head; at !== null; at = at.after) yield at;
    }
  }

  /** @returns objects in use */
  verify(): number {
    let objects = 0;
    let room = 0;
    this.heads.forEach((head, group) => {
      for (let zspage = head; zspage !== null; zspage = zspage.after) {
        assert(this.groupOf(zspage) === group, 'a zspage stands in the list of how full it is');
        assert(group > 0, 'an empty zspage is gone');
        assert(zspage.pages.length === this.size.pagesPerZspage, 'a chain is as long as its class');
        objects += zspage.objects.size;
        room += this.size.objectsPerZspage;
      }
    });
    assert(objects === this.inUse, `class ${this.size.bytes}: ${objects} objects recounted`);
    assert(room === this.allocated, `class ${this.size.bytes}: room for ${room} recounted`);
    return objects;
  }

  /** get_fullness_group. */
  private groupOf({ objects }: Zspage): number {
    if (objects.size === 0) return 0;
    if (objects.size === this.size.objectsPerZspage) return ZS_INUSE_RATIO_100;
    return Math.floor(Math.floor((100 * objects.size) / this.size.objectsPerZspage) / 10) + 1;
  }

  /** fix_fullness_group: to the head of its new list if that is another. */
  private fixGroup(zspage: Zspage, before: number): void {
    const now = this.groupOf(zspage);
    if (now === before) return;
    this.take(zspage, before);
    this.put(zspage, now);
  }

  private put(zspage: Zspage, group: number): void {
    const head = this.heads[group] ?? null;
    zspage.before = null;
    zspage.after = head;
    if (head !== null) head.before = zspage;
    this.heads[group] = zspage;
  }

  private take(zspage: Zspage, group: number): void {
    const { before, after } = zspage;
    if (before === null) this.heads[group] = after;
    else before.after = after;
    if (after !== null) after.before = before;
  }
}

function classBytes(index: number): number {
  return Math.min(PAGE_SIZE, ZS_MIN_ALLOC_SIZE + index * ZS_SIZE_CLASS_DELTA);
}

function classOf(bytes: number): SizeClass {
  const pagesPerZspage = chainLength(bytes);
  const objectsPerZspage = Math.floor((pagesPerZspage * PAGE_SIZE) / bytes);
  return { bytes, pagesPerZspage, objectsPerZspage };
}

function canMerge(one: SizeClass, other: SizeClass): boolean {
  return (
    one.pagesPerZspage === other.pagesPerZspage && one.objectsPerZspage === other.objectsPerZspage
  );
}

/** The chain that wastes least (calculate_zspage_chain_size). */
function chainLength(bytes: number): number {
  if ((bytes & (bytes - 1)) === 0) return 1;
  let best = 1;
  for (let pages = 2; pages <= ZS_MAX_PAGES_PER_ZSPAGE; pages++) {
    if ((pages * PAGE_SIZE) % bytes < (best * PAGE_SIZE) % bytes) best = pages;
  }
  return best;
}
