import {
  __GFP_DIRECT_RECLAIM,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  type AllocRequest,
  type Machine,
  N_MEMORY_PRIVATE,
  Prng,
} from '@mm-lab/mm-core';

/** Flags that a request may carry in any combination. None asks for memory set apart. */
const FLAGS = [
  __GFP_DIRECT_RECLAIM,
  __GFP_HIGH,
  __GFP_HIGHMEM | __GFP_MOVABLE,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
] as const;
/** Requests in a row that may fail before the held pages are let go. */
const FULL_PAUSE = 20;

/** How long to search. */
export interface LeakSearch {
  /** Machines built. */
  readonly rounds: number;
  /** Allocations on each. */
  readonly requests: number;
}

/** An allocation that landed where it must not. */
export interface Leak extends AllocRequest {
  readonly pfn: number;
  readonly landedOn: number;
}

/**
 * X10: over generated flags, orders, nodes, masks, pressure and hotplug, no allocation that did
 * not ask for memory set apart lands on a private node.
 * @returns the first that does, or null
 */
export function leakSearch(build: () => Machine, { rounds, requests }: LeakSearch): Leak | null {
  for (let round = 0; round < rounds; round++) {
    const leak = searchOne(build(), new Prng(round), requests);
    if (leak !== null) return leak;
  }
  return null;
}

function searchOne(machine: Machine, random: Prng, requests: number): Leak | null {
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  let failures = 0;
  for (let at = 0; at < requests; at++) {
    if (random.chance(0.02)) replug(machine, random);
    const request = randomRequest(machine, random);
    const path = random.below(3);
    const pfn = allocate(machine, request, path);
    machine.spend();
    if (pfn >= 0) {
      held.push(pfn);
      const landedOn = machine.nodes.nidOf(pfn);
      const isPrivate = machine.nodes.hasState(landedOn, N_MEMORY_PRIVATE);
      if (isPrivate && (request.gfp & machine.managed.isolation.mark) === 0)
        return { ...request, pfn, landedOn };
    } else if (++failures % FULL_PAUSE === 0) {
      for (const page of held.splice(0)) machine.folios.put(page);
    }
  }
  return null;
}

/** Through the slow path, through the fast one, or down to the last page. */
function allocate(machine: Machine, request: AllocRequest, path: number): number {
  if (path === 0) return machine.pageAlloc.alloc(request);
  if (path === 1) return machine.zoneAlloc.alloc(request);
  return machine.zoneAlloc.getPageFromFreelist(request, 'none');
}

function randomRequest(machine: Machine, random: Prng): AllocRequest {
  const nodes = [...machine.nodes.all()].map(({ nid }) => nid);
  const gfp = FLAGS.reduce((sum, flag) => (random.chance(0.4) ? sum | flag : sum), 0);
  const mask = new Set(nodes.filter(() => random.chance(0.5)));
  return {
    gfp: gfp | (random.chance(0.2) ? machine.managed.isolation.asking : 0),
    order: random.chance(0.7) ? 0 : random.below(11),
    nid: random.pick(nodes),
    nodemask: random.chance(0.4) ? mask : null,
  };
}

/** Takes an ordinary node away or brings it back: zonelists are rebuilt. */
function replug(machine: Machine, random: Prng): void {
  const ordinary = [...machine.nodes.all()].filter(({ nid }) => {
    return machine.managed.nodeOwner(nid) === null;
  });
  const { nid } = random.pick(ordinary);
  if (machine.nodes.pgdat(nid).managedPages() > 0) machine.hotplug.offlinePages(nid);
  else machine.hotplug.onlinePages(nid, null);
}
