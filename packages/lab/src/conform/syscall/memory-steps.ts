import {
  __GFP_COMP,
  __GFP_HIGHMEM,
  __GFP_MOVABLE,
  __GFP_THISNODE,
  GFP_KERNEL,
  GFP_NOWAIT,
  MAX_PAGE_ORDER,
  type Machine,
  type MemoryBlock,
  WMARK_LOW,
} from '@mm-lab/mm-core';
import { type Json, type JsonObject, numberAt, textAt } from '../json.js';
import { StepError } from '../step.js';
import type { CaseWorld } from './case-world.js';
import { DONE, type Reply, replyOf } from './reply.js';

/** Memory tiers, fastest first, as lists of nodes. */
export function tiersOf({ machine }: CaseWorld): Json {
  return machine.tiers.tiers().map(({ nodes }) => [...nodes].sort((a, b) => a - b));
}

/** `mem_offline`: all blocks of a node, or so many; the first error counts. */
export function offline(step: JsonObject, world: CaseWorld): Reply {
  const nid = numberAt(step, 'node');
  const blocks = world.machine.blocks.of(nid);
  world.guest.offlined = { nid, blocks };
  const chosen = step.blocks === undefined ? blocks : blocks.slice(0, numberAt(step, 'blocks'));
  return setStates(world, chosen, 'offline');
}

/** `mem_online`: every block of a node that is offline. */
export function online(step: JsonObject, world: CaseWorld): Reply {
  const zone = textAt(step, 'zone', 'movable');
  const nid = numberAt(step, 'node');
  const { offlined } = world.guest;
  const known = offlined.nid === nid ? offlined.blocks : world.machine.blocks.of(nid);
  const blocks = known.filter((block) => !block.online);
  return setStates(world, blocks, `online_${zone}`);
}

function setStates(world: CaseWorld, blocks: readonly MemoryBlock[], state: string): Reply {
  let reply = DONE;
  for (const block of blocks) {
    const rc = world.machine.blocks.setState(block, state);
    if (rc < 0 && reply === DONE) reply = replyOf(rc);
  }
  world.machine.spend();
  return reply;
}

/** `fill_node`: kernel pages take all of a node but what its zones keep at LOW. */
export function fillToLow(step: JsonObject, { machine }: CaseWorld): Reply {
  const nid = numberAt(step, 'node');
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  for (let order = MAX_PAGE_ORDER; order >= 0; order--) {
    while (spare(machine, nid) >= 1 << order) {
      const gfp = GFP_NOWAIT | __GFP_THISNODE | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_COMP;
      const pfn = machine.zoneAlloc.alloc({ gfp, order, nid, nodemask: null });
      if (pfn < 0) break;
      held.push(pfn);
    }
  }
  return DONE;
}

/** Free pages of a node above the LOW marks of its zones. */
function spare({ nodes }: Machine, nid: number): number {
  return nodes
    .pgdat(nid)
    .zones.reduce((sum, zone) => sum + Math.max(0, zone.freePages - zone.wmark(WMARK_LOW)), 0);
}

/** `kernel_alloc`: pages in kernel context; says where they came from. */
export function kernelAlloc(step: JsonObject, { machine }: CaseWorld): Reply {
  if (textAt(step, 'gfp', 'GFP_KERNEL') !== 'GFP_KERNEL') {
    throw new StepError(`unknown gfp ${textAt(step, 'gfp')}`);
  }
  const nid = numberAt(step, 'node');
  const order = numberAt(step, 'order');
  const pfn = machine.pageAlloc.alloc({ gfp: GFP_KERNEL, order, nid, nodemask: null });
  if (pfn < 0) return replyOf(-12);
  return { ret: 'page', out: { node: machine.nodes.nidOf(pfn) } };
}
