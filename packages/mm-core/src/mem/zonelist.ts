import { N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import { MAX_NUMNODES } from '../abi/zone.js';
import type { Managed } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import type { Nodes } from './nodes.js';
import type { Pgdat } from './pgdat.js';
import type { Zone } from './zone.js';

const PENALTY_FOR_NODE_WITH_CPUS = 1;

/** What besides the distance speaks for or against a node. */
export interface NodeScores {
  /** How often each comes first among equals, by node. */
  readonly load: readonly number[];
  /** Have CPUs said on which node they are (cpumask_of_node)? Lists of the boot are older. */
  readonly cpusAreUp: boolean;
}

/**
 * Rebuilds every node's zonelists, in node order so that ties rotate
 * (mm/page_alloc.c:build_zonelists). A private node stands in those lists that the isolation says:
 * for RFC v4 in its own only, FALLBACK = itself, then every N_MEMORY node nearest first (patch 04).
 */
export function buildAllZonelists(nodes: Nodes, managed: Managed, cpusAreUp: boolean): void {
  const site = Sites.index('page_alloc.build_zonelists');
  const { lists } = managed.isolation;
  const load = new Array<number>(MAX_NUMNODES).fill(0);
  for (const pgdat of nodes.all()) {
    const isPrivate = managed.node_is_private(site, pgdat.nid);
    const order = nodeOrder(nodes, pgdat, load, cpusAreUp);
    const apart = isPrivate && nodes.hasState(pgdat.nid, N_MEMORY_PRIVATE);
    const own = apart && lists.ownFallback ? [pgdat.nid] : [];
    pgdat.fallback = [...own, ...order].flatMap((nid) => zonesHighestFirst(nodes.pgdat(nid)));
    pgdat.nofallback = isPrivate && !lists.ownNofallback ? [] : zonesHighestFirst(pgdat);
    pgdat.apart = lists.third ? thirdList(nodes, pgdat) : [];
    pgdat.apartOnly = lists.third ? zonesHighestFirst(pgdat) : [];
  }
}

/** N_MEMORY nodes for a local node, nearest first (mm/page_alloc.c:find_next_best_node). */
function nodeOrder(nodes: Nodes, local: Pgdat, load: number[], cpusAreUp: boolean): number[] {
  const candidates = new Set(nodes.inState(N_MEMORY));
  const order: number[] = [];
  let previousDistance = nodes.distance(local.nid, local.nid);
  while (candidates.size > 0) {
    const nid = nextBestNode(nodes, local.nid, candidates, { load, cpusAreUp });
    candidates.delete(nid);
    const distance = nodes.distance(local.nid, nid);
    if (distance !== previousDistance) load[nid]! += 1;
    previousDistance = distance;
    order.push(nid);
  }
  return order;
}

/**
 * The candidate of least score: the local node, else nearest, CPU-less and less loaded nodes first.
 */
export function nextBestNode(
  nodes: Nodes,
  local: number,
  candidates: ReadonlySet<number>,
  { load, cpusAreUp }: NodeScores = { load: [], cpusAreUp: true },
): number {
  if (candidates.has(local)) return local;
  let best = -1;
  let bestScore = Infinity;
  for (const nid of [...candidates].sort((a, b) => a - b)) {
    const hasCpu = cpusAreUp && nodes.hasCpu(nid);
    const penalty = (nid < local ? 1 : 0) + (hasCpu ? PENALTY_FOR_NODE_WITH_CPUS : 0);
    const score = (nodes.distance(local, nid) + penalty) * MAX_NUMNODES + (load[nid] ?? 0);
    if (score < bestScore) {
      bestScore = score;
      best = nid;
    }
  }
  return best;
}

/** Ordinary nodes and those set apart together, nearest first (ZONELIST_PRIVATE of version 5). */
function thirdList(nodes: Nodes, local: Pgdat): Zone[] {
  const members = [...nodes.inState(N_MEMORY), ...nodes.inState(N_MEMORY_PRIVATE)];
  members.sort((a, b) => nodes.distance(local.nid, a) - nodes.distance(local.nid, b) || a - b);
  return members.flatMap((nid) => zonesHighestFirst(nodes.pgdat(nid)));
}

function zonesHighestFirst(pgdat: Pgdat): Zone[] {
  return pgdat.zones.filter((zone) => zone.managedPages > 0).reverse();
}
