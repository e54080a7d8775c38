import { type Machine, type MachineConfig, type MemoryBlock, ZONE_MOVABLE } from '@mm-lab/mm-core';
import { type Json, listAt, textAt } from './json.js';

/**
 * The recorder runs all cases of a machine in one boot, those that change memory blocks last. So
 * when such a case starts, plugged blocks have been offline and online before, and the marks were
 * computed anew. Only the first of them, which nobody can tell, sees the boot's own marks.
 */
export function replayBootHistory(machine: Machine, config: MachineConfig, kase: Json): void {
  if (!listAt(kase, 'steps').some((step) => textAt(step, 'op') === 'block_state')) return;
  const gone: { readonly block: MemoryBlock; readonly word: string }[] = [];
  for (const node of config.nodes) {
    for (const zone of node.zones ?? []) {
      if (zone.hotplugged !== true) continue;
      const word = zone.type === ZONE_MOVABLE ? 'online_movable' : 'online';
      const inZone = machine.blocks
        .of(node.id)
        .filter(({ base }) => base >= zone.startPfn && base < zone.startPfn + zone.spanned);
      for (const block of inZone) {
        if (machine.blocks.setState(block, 'offline') === 0) gone.push({ block, word });
      }
    }
  }
  for (const { block, word } of gone) machine.blocks.setState(block, word);
  machine.spend();
}
