import {
  createToken,
  inject,
  injectable,
  type Nodes,
  NodesToken,
  type OomKill,
  OomKillToken,
  type Ptes,
  PtesToken,
  type Rmap,
  RmapToken,
} from '@mm-lab/mm-core';

/** The programs that have pages on a node, and the last rung of the ladder. */
@injectable()
export class NodeUsers {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(OomKillToken) private readonly oom: OomKill,
  ) {}

  /** Mapped pages of a node by address space. */
  pagesByMm(nid: number): ReadonlyMap<number, number> {
    const pages = new Map<number, number>();
    for (const { base, spannedPages } of this.nodes.pgdat(nid).zones) {
      for (let pfn = base; pfn < base + spannedPages; pfn++) {
        for (const slot of this.rmap.slots(pfn)) {
          const mm = this.ptes.mmOf(slot);
          pages.set(mm, (pages.get(mm) ?? 0) + 1);
        }
      }
    }
    return pages;
  }

  /** Kills the one with most pages on the node. @returns was there one? */
  killOne(nid: number): boolean {
    const pages = this.pagesByMm(nid);
    return this.oom.killMost(({ mm }) => pages.get(mm.id) ?? 0);
  }
}
export const NodeUsersToken = createToken<NodeUsers>('NodeUsers');
