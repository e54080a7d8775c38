import type { MemoryBlock } from '@mm-lab/mm-core';
import type { Guest } from '../../guest.js';
import { errnoOf } from '../../result.js';
import type { Step } from '../../step.js';
import type { MachineOp } from '../op.js';

/** The memory blocks that a node's folder links to: those that are online. */
export const memoryBlocksOp: MachineOp = {
  acts: 'machine',
  fields: ['node'],
  run: (step, guest) => {
    const nid = step.int('node', 0);
    if (!guest.machine.nodes.exists(nid)) return { error: 'no node' };
    return { blocks: linked(guest, nid).map((block, i) => ({ i, ...blockJson(block) })) };
  },
};

/**
 * Writes the state of one block of a node, or of all. A node that lost its blocks loses their
 * links, so the recorder remembers those it took offline.
 */
export const blockStateOp: MachineOp = {
  acts: 'machine',
  fields: ['node', 'block', 'state'],
  run: (step, guest) => {
    const nid = step.int('node', 0);
    if (!guest.machine.nodes.exists(nid)) return { error: 'no node' };
    const state = step.text('state', 'offline');
    const blocks = remembered(guest, nid, state);
    const wanted = step.int('block', -1);
    const chosen = wanted >= 0 ? blocks.slice(wanted, wanted + 1) : blocks;
    const rcs = chosen.map((block) =>
      state === '' ? 0 : guest.machine.blocks.setState(block, state),
    );
    guest.machine.spend();
    const failed = rcs.filter((rc) => rc < 0).at(-1);
    return {
      changed: rcs.filter((rc) => rc === 0).length,
      of: ofCount(step, blocks),
      ...(failed === undefined ? {} : { errno: errnoOf(failed) }),
    };
  },
};

/** What the recorder says it tried: a block past the last counts as less than none. */
function ofCount(step: Step, blocks: readonly MemoryBlock[]): number {
  const wanted = step.int('block', -1);
  return wanted < 0 ? blocks.length : Math.min(wanted + 1, blocks.length) - wanted;
}

function remembered(guest: Guest, nid: number, state: string): readonly MemoryBlock[] {
  const blocks = linked(guest, nid);
  if (state === 'offline') {
    guest.offlined = { nid, blocks };
    return blocks;
  }
  const { offlined } = guest;
  return offlined.nid === nid && blocks.length < offlined.blocks.length ? offlined.blocks : blocks;
}

function linked(guest: Guest, nid: number): readonly MemoryBlock[] {
  return guest.machine.blocks.of(nid);
}

function blockJson(block: MemoryBlock) {
  return {
    state: block.online ? 'online' : 'offline',
    removable: block.online && block.zone !== null ? '1' : '0',
    valid_zones: block.zone?.name ?? 'none',
  };
}
