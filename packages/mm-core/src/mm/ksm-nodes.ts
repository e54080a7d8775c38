import { PG_hwpoison, PG_ksm } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import type { StableNode } from '../mem/ksm-node.js';

/** Which merged page stands in which node of the stable tree (folio_stable_node, ksm_get_folio). */
@injectable()
export class KsmNodes {
  private readonly byPfn = new Map<number, StableNode>();

  constructor(@inject(FolioTableToken) private readonly table: FolioTable) {}

  /** Every node, stale ones included. */
  readonly all = new Set<StableNode>();

  /** The node of a merged page, or null. */
  of(pfn: number): StableNode | null {
    if (!this.table.has(pfn, PG_ksm)) return null;
    return this.byPfn.get(pfn) ?? null;
  }

  add(node: StableNode): void {
    this.all.add(node);
    this.byPfn.set(node.pfn, node);
  }

  delete(node: StableNode): void {
    this.all.delete(node);
    if (this.byPfn.get(node.pfn) === node) this.byPfn.delete(node.pfn);
  }

  /** Is the page still there and still merged? One that was poisoned is not. */
  isLive(node: StableNode): boolean {
    if (this.table.has(node.pfn, PG_hwpoison)) return false;
    return this.table.refcount[node.pfn]! > 0 && this.of(node.pfn) === node;
  }

  /** The page moved to another frame (folio_migrate_ksm). */
  replace(src: number, dst: number): void {
    const node = this.of(src);
    if (node === null) return;
    this.byPfn.delete(src);
    node.pfn = dst;
    this.byPfn.set(dst, node);
  }
}
export const KsmNodesToken = createToken<KsmNodes>('KsmNodes');
