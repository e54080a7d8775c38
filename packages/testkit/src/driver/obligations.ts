import type { Machine } from '@mm-lab/mm-core';

/**
 * What owners of nodes should have brought and did not, or brought and may not: flags without the
 * callbacks they oblige, flags that exclude or miss each other, callbacks that act without having
 * been opted in. The plugin that registers a node knows the rules.
 */
export function obligationMistakes(machine: Machine): string[] {
  return [...machine.nodes.all()].flatMap(({ nid }) => {
    const owner = machine.managed.nodeOwner(nid);
    return owner === null ? [] : owner.mistakes.map((mistake) => `${owner.name}: ${mistake}`);
  });
}
