import type { MmStruct } from './vma.js';

/**
 * A merged page in the stable tree (struct ksm_stable_node). It is stale once its page is not a
 * KSM page any more.
 */
export interface StableNode {
  pfn: number;
  /** Name of the bytes. */
  readonly key: number;
  /** Tree it is in: a node id, or 0 when pages merge across nodes. */
  nid: number;
  /** Virtual pages that were merged into it. */
  readonly items: Set<RmapItem>;
  /** Out of its tree because the page went to another node (`migrate_nodes`). */
  isMigrating: boolean;
}

/** What ksmd knows of one virtual page (struct ksm_rmap_item). */
export interface RmapItem {
  readonly mm: MmStruct;
  readonly vpn: number;
  /** Contents at the last look; null before the first (oldchecksum). */
  checksum: number | null;
  /** Looks so far, and how many of the next are left out (smart scan). */
  age: number;
  remainingSkips: number;
  /** The merged page that it is part of. */
  node: StableNode | null;
  /** In the unstable tree of the scan of this number; -1 = in none. */
  unstableSeq: number;
  /** Number of the scan that saw it last. */
  seenSeq: number;
}

/** An item nobody has looked at yet. */
export function rmapItem(mm: MmStruct, vpn: number): RmapItem {
  return {
    mm,
    vpn,
    checksum: null,
    age: 0,
    remainingSkips: 0,
    node: null,
    unstableSeq: -1,
    seenSeq: -1,
  };
}
