import { N_MEMORY, type Nodes, WMARK_HIGH, WMARK_LOW } from '@mm-lab/mm-core';

/** How short of memory the ordinary nodes are, as a driver can see it (zone_page_state, marks). */
export class RamPressure {
  constructor(private readonly nodes: Nodes) {}

  /** First node with less free than `factor` times its high mark, or -1. */
  shortNode(factor: number): number {
    return this.nodes.inState(N_MEMORY).find((nid) => this.slack(nid, factor) < 0) ?? -1;
  }

  /** Free pages of a node above `factor` times its high mark; negative below. */
  slack(nid: number, factor: number): number {
    return this.free(nid) - factor * this.mark(nid, WMARK_HIGH);
  }

  /** The least slack of any node. */
  leastSlack(factor: number): number {
    let least = Infinity;
    for (const nid of this.nodes.inState(N_MEMORY)) {
      least = Math.min(least, this.slack(nid, factor));
    }
    return least;
  }

  /** Does the node keep its low mark if `pages` are taken? */
  hasRoom(nid: number, pages: number): boolean {
    return this.free(nid) - pages > this.mark(nid, WMARK_LOW);
  }

  private free(nid: number): number {
    return this.nodes.pgdat(nid).freePages();
  }

  private mark(nid: number, mark: number): number {
    return this.nodes.pgdat(nid).zones.reduce((sum, zone) => sum + zone.wmark(mark), 0);
  }
}
