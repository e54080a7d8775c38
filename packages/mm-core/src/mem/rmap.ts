import { assert, defined } from '../base/assert.js';
import { createToken } from '../base/di.js';
import type { FolioTable } from './folio-table.js';

/**
 * Reverse map: the page-table slots that refer to a page, by a present entry or by a migration
 * entry. Simplified against Linux, which finds them through anon_vma and i_mmap trees and may visit
 * vmas that turn out not to map the page: here the set is exact, so an rmap walk costs what it
 * finds.
 */
export class Rmap {
  private readonly lists: (number[] | null)[] = [];
  private readonly spare: number[] = [];

  constructor(private readonly table: FolioTable) {}

  add(pfn: number, slot: number): void {
    const known = this.table.rmap[pfn]!;
    if (known === 0) {
      this.table.rmap[pfn] = slot + 1;
    } else if (known > 0) {
      const list = this.spare.pop() ?? this.lists.length;
      this.lists[list] = [known - 1, slot];
      this.table.rmap[pfn] = -(list + 1);
    } else {
      this.list(known).push(slot);
    }
  }

  remove(pfn: number, slot: number): void {
    const known = this.table.rmap[pfn]!;
    if (known > 0) {
      assert(known === slot + 1, 'the reverse map knows the slot');
      this.table.rmap[pfn] = 0;
      return;
    }
    const list = this.list(known);
    const at = list.indexOf(slot);
    assert(at >= 0, 'the reverse map knows the slot');
    list.splice(at, 1);
    if (list.length > 1) return;
    this.table.rmap[pfn] = defined(list[0], 'a list keeps one slot') + 1;
    this.lists[-known - 1] = null;
    this.spare.push(-known - 1);
  }

  /** The slots, oldest first; a copy that may be walked while entries change. */
  slots(pfn: number): number[] {
    const known = this.table.rmap[pfn]!;
    if (known === 0) return [];
    return known > 0 ? [known - 1] : [...this.list(known)];
  }

  /** Number of slots. */
  count(pfn: number): number {
    const known = this.table.rmap[pfn]!;
    if (known >= 0) return known === 0 ? 0 : 1;
    return this.list(known).length;
  }

  private list(known: number): number[] {
    return defined(this.lists[-known - 1], 'a negative rmap names a list');
  }
}
export const RmapToken = createToken<Rmap>('Rmap');
