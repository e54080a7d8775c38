import { N_CPU, N_MEMORY } from '../abi/node-states.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { SwapCodec } from './cost-model.js';
import { type Zsmalloc, ZsmallocToken, type ZsPool } from './zsmalloc.js';

/** A page that zswap holds (struct zswap_entry). */
export interface ZswapEntry {
  readonly slot: number;
  readonly key: number;
  /** Bytes of it; PAGE_SIZE: it is not compressed. */
  readonly length: number;
  readonly codec: SwapCodec;
  readonly pool: ZsPool;
  readonly handle: number;
  /** The group that the bytes are charged to, the root if to nobody. */
  readonly memcg: MemCgroup;
  readonly nid: number;
  readonly isAnon: boolean;
  /** Came since writeback last looked. */
  referenced: boolean;
}

/** What a list of entries belongs to. */
export interface ZswapList {
  readonly memcg: MemCgroup;
  readonly nid: number;
}

/**
 * The pages that zswap holds, by slot and by age (`zswap_trees`, `zswap_list_lru`), and what they
 * take. Simplified: an entry stands in the list of the node that its page was on, or of the CPU's
 * if that is no ordinary node.
 *
 * Invariant: each entry stands in one list, in the order of its last turn; a group is charged for
 * the bytes of its entries in whole pages.
 */
@injectable()
export class ZswapTree {
  /** Pages held, and those of them that did not shrink. */
  stored = 0;
  incompressible = 0;
  private readonly entries = new Map<number, ZswapEntry>();
  private readonly lists = new Map<string, { of: ZswapList; slots: Set<number> }>();
  private readonly pools = new Map<string, ZsPool>();

  constructor(
    @inject(ZsmallocToken) private readonly zsmalloc: Zsmalloc,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(NodesToken) private readonly nodes: Nodes,
  ) {}

  get(slot: number): ZswapEntry | null {
    return this.entries.get(slot) ?? null;
  }

  /** The pool of a compressor, made when it is first used (zswap_pool_current). */
  poolOf(compressor: string): ZsPool {
    const found = this.pools.get(compressor) ?? this.zsmalloc.createPool(`zswap-${compressor}`);
    this.pools.set(compressor, found);
    return found;
  }

  /** Pages of every pool (zswap_total_pages). */
  pages(): number {
    let pages = 0;
    for (const pool of this.pools.values()) pages += pool.pages;
    return pages;
  }

  /** The node whose list a page of node `nid` stands in. */
  listNid(nid: number): number {
    return this.nodes.hasState(nid, N_MEMORY) ? nid : (this.nodes.inState(N_CPU)[0] ?? 0);
  }

  /** The newest of its list. An older entry of the slot is freed. */
  add(entry: ZswapEntry): void {
    this.remove(entry.slot);
    this.entries.set(entry.slot, entry);
    this.listOf(entry).add(entry.slot);
    this.stored++;
    if (entry.length === PAGE_SIZE) this.incompressible++;
    this.charge(entry, 1);
  }

  /** zswap_entry_free. @returns was there one? */
  remove(slot: number): boolean {
    const entry = this.entries.get(slot);
    if (entry === undefined) return false;
    this.entries.delete(slot);
    this.listOf(entry).delete(slot);
    entry.pool.free(entry.handle);
    this.stored--;
    if (entry.length === PAGE_SIZE) this.incompressible--;
    this.charge(entry, -1);
    return true;
  }

  /** An entry becomes the newest of its list (LRU_ROTATE). */
  rotate(entry: ZswapEntry): void {
    const list = this.listOf(entry);
    list.delete(entry.slot);
    list.add(entry.slot);
  }

  /**
   * The oldest entries first, until `stop`; entries may go or turn meanwhile. The lists of groups
   * that are gone belong to the nearest above that is not.
   * @param of null = every group's
   */
  *oldest(of: MemCgroup | null, nid: number): IterableIterator<ZswapEntry> {
    for (const list of [...this.lists.values()]) {
      if (list.of.nid !== nid || (of !== null && heir(list.of.memcg) !== of)) continue;
      for (const slot of list.slots) {
        const entry = this.entries.get(slot);
        assert(entry !== undefined, 'a list names pages that zswap holds');
        yield entry;
      }
    }
  }

  /** Entries in the lists that `oldest` walks (list_lru_shrink_count). */
  count(of: MemCgroup | null, nid: number): number {
    let count = 0;
    for (const list of this.lists.values()) {
      if (list.of.nid !== nid || (of !== null && heir(list.of.memcg) !== of)) continue;
      count += list.slots.size;
    }
    return count;
  }

  /** Bytes and pages of a group and those below it; of everybody if null. */
  usage(of: MemCgroup | null): { readonly bytes: number; readonly pages: number } {
    if (of === null) return { bytes: this.pages() * PAGE_SIZE, pages: this.stored };
    return of.zswapTotal();
  }

  /** Recounts everything. @returns the slots */
  verify(): readonly number[] {
    let listed = 0;
    for (const { of, slots } of this.lists.values()) {
      listed += slots.size;
      for (const slot of slots) {
        const entry = this.entries.get(slot);
        const isOwn = entry?.memcg === of.memcg && entry.nid === of.nid;
        assert(isOwn, `slot ${slot} in zswap stands in the list of its group and node`);
      }
    }
    assert(listed === this.entries.size, `${this.entries.size} pages in zswap, ${listed} in lists`);
    assert(this.stored === this.entries.size, `zswap counts ${this.stored} pages`);
    let objects = 0;
    for (const pool of this.pools.values()) objects += pool.verify();
    assert(objects === this.stored, `zswap has ${this.stored} pages and ${objects} objects`);
    const raw = [...this.entries.values()].filter(({ length }) => length === PAGE_SIZE).length;
    assert(raw === this.incompressible, `zswap has ${raw} pages that did not shrink`);
    for (const memcg of this.memcgs.all()) this.verifyGroup(memcg);
    return [...this.entries.keys()];
  }

  private verifyGroup(memcg: MemCgroup): void {
    if (memcg.parent === null) return;
    const own = [...this.entries.values()].filter((entry) => entry.memcg === memcg);
    const bytes = own.reduce((sum, { length }) => sum + length, 0);
    const { zswap } = memcg;
    assert(zswap.bytes === bytes, `group ${memcg.id}: ${bytes} bytes in zswap recounted`);
    assert(zswap.pages === own.length, `group ${memcg.id}: ${own.length} pages in zswap recounted`);
    const charged = Math.ceil(bytes / PAGE_SIZE);
    assert(zswap.charged === charged, `group ${memcg.id} pays for ${charged} pages of zswap`);
  }

  private listOf({ memcg, nid }: ZswapList): Set<number> {
    const key = `${memcg.group.id} ${nid}`;
    const found = this.lists.get(key) ?? { of: { memcg, nid }, slots: new Set<number>() };
    this.lists.set(key, found);
    return found.slots;
  }

  /** obj_cgroup_charge_zswap and its opposite: bytes, paid for in whole pages. */
  private charge({ memcg, length }: ZswapEntry, sign: number): void {
    if (memcg.parent === null) return;
    const { zswap, memory } = memcg;
    zswap.bytes += sign * length;
    zswap.pages += sign;
    if (length === PAGE_SIZE) zswap.incompressible += sign;
    const pages = Math.ceil(zswap.bytes / PAGE_SIZE) - zswap.charged;
    if (pages > 0) memory.charge(pages);
    else memory.uncharge(-pages);
    zswap.charged += pages;
    memcg.kernelPages += pages;
  }
}
export const ZswapTreeToken = createToken<ZswapTree>('ZswapTree');

/** The group itself, or the nearest above that is not gone (memcg_reparent_list_lrus). */
function heir(memcg: MemCgroup): MemCgroup {
  let at = memcg;
  while (!at.online && at.parent !== null) at = at.parent;
  return at;
}
