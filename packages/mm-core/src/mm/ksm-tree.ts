import { createToken, inject, injectable } from '../base/di.js';
import type { RmapItem, StableNode } from '../mem/ksm-node.js';
import { type KsmNodes, KsmNodesToken } from './ksm-nodes.js';

/** Nodes of one content by tree; more than one are a chain. */
type Tree<T> = Map<number, T>;

/**
 * The trees of KSM (mm/ksm.c:stable_tree_search, unstable_tree_search_insert): merged pages, and
 * candidates of the running scan. Contents have names, so a tree is a table by name; what a search
 * meets on its way down, here only nodes of the very content, is pruned if it is stale.
 */
@injectable()
export class KsmTree {
  private stable = new Map<number, Tree<StableNode[]>>();
  private unstable = new Map<number, Tree<RmapItem>>();
  /** Items in the unstable tree. */
  private readonly candidates = new Set<RmapItem>();
  /** Most virtual pages of one merged page (max_page_sharing). */
  maxPageSharing = 256;

  constructor(@inject(KsmNodesToken) private readonly nodes: KsmNodes) {}

  /** Merged pages and what was merged into them beyond the first (ksm_pages_shared, _sharing). */
  counts(): { shared: number; sharing: number; unshared: number; chains: number; dups: number } {
    let shared = 0;
    let items = 0;
    for (const node of this.nodes.all) {
      if (node.items.size > 0) shared++;
      items += node.items.size;
    }
    let chains = 0;
    let dups = 0;
    for (const tree of this.stable.values()) {
      for (const chain of tree.values()) {
        if (chain.length < 2) continue;
        chains++;
        dups += chain.length;
      }
    }
    return { shared, sharing: items - shared, unshared: this.candidates.size, chains, dups };
  }

  /** A node that has room for one more, the fullest of its chain (stable_node_dup). */
  search(nid: number, key: number): StableNode | null {
    let best: StableNode | null = null;
    for (const node of [...(this.stable.get(nid)?.get(key) ?? [])]) {
      if (!this.nodes.isLive(node)) this.remove(node);
      else if (this.hasRoom(node) && (best === null || node.items.size > best.items.size)) {
        best = node;
      }
    }
    return best;
  }

  hasRoom(node: StableNode): boolean {
    return node.items.size < this.maxPageSharing;
  }

  /** stable_tree_insert. */
  insert(nid: number, node: StableNode): void {
    node.nid = nid;
    node.isMigrating = false;
    this.nodes.add(node);
    const tree = treeOf(this.stable, nid);
    const chain = tree.get(node.key);
    if (chain === undefined) tree.set(node.key, [node]);
    else chain.push(node);
  }

  /** The page went to another node: its node stands apart until it is looked at. */
  setAside(node: StableNode): void {
    this.unlink(node);
    node.isMigrating = true;
  }

  /** The node goes, and its items belong to none (remove_node_from_stable_tree). */
  remove(node: StableNode): void {
    for (const item of node.items) item.node = null;
    node.items.clear();
    this.unlink(node);
    this.nodes.delete(node);
  }

  /** stable_tree_append. */
  append(item: RmapItem, node: StableNode): void {
    item.node = node;
    node.items.add(item);
  }

  /** An item leaves whatever tree it is in (remove_rmap_item_from_tree). */
  removeItem(item: RmapItem): void {
    const { node } = item;
    if (node !== null) {
      if (this.nodes.isLive(node)) node.items.delete(item);
      else this.remove(node);
      item.node = null;
    }
    this.candidates.delete(item);
    item.unstableSeq = -1;
  }

  /** A full scan begins: nothing of the last one's candidates is found any more. */
  resetUnstable(): void {
    this.unstable = new Map();
  }

  /** The candidate of equal contents, or null: then the item is one itself. */
  searchInsert(nid: number, key: number, item: RmapItem, seq: number): RmapItem | null {
    const tree = treeOf(this.unstable, nid);
    const found = tree.get(key);
    if (found !== undefined && found.unstableSeq === seq && found !== item) return found;
    tree.set(key, item);
    item.unstableSeq = seq;
    this.candidates.add(item);
    return null;
  }

  /** Everything is forgotten (remove_all_stable_nodes). */
  clear(): void {
    for (const node of [...this.nodes.all]) this.remove(node);
    this.stable = new Map();
    this.resetUnstable();
  }

  private unlink(node: StableNode): void {
    const tree = this.stable.get(node.nid);
    const left = (tree?.get(node.key) ?? []).filter((other) => other !== node);
    if (left.length > 0) tree?.set(node.key, left);
    else tree?.delete(node.key);
  }
}
export const KsmTreeToken = createToken<KsmTree>('KsmTree');

function treeOf<T>(trees: Map<number, Tree<T>>, nid: number): Tree<T> {
  const known = trees.get(nid);
  if (known !== undefined) return known;
  const made: Tree<T> = new Map();
  trees.set(nid, made);
  return made;
}
