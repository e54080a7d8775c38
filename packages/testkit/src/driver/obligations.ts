import { HOOKS, type HookName, type Machine, NP_FLAG_FACTS, type Owner } from '@mm-lab/mm-core';

/**
 * Flags without the callbacks they oblige, flags that exclude or miss each other, and callbacks
 * that are there without the flag that stands for them: the posted series tests the pointer and no
 * flag (divergence D2), so such a callback acts without having been opted in.
 */
export function obligationMistakes(machine: Machine): string[] {
  const owners = [...machine.nodes.all()].map(({ nid }) => machine.managed.nodeOwner(nid));
  return owners.filter((owner) => owner !== null).flatMap(mistakesOf);
}

function mistakesOf(owner: Owner): string[] {
  const mistakes: string[] = [];
  for (const { flag, name, callbacks, requires, excludes } of NP_FLAG_FACTS) {
    if ((owner.flags & flag) === 0) continue;
    for (const hook of callbacks) {
      if (!owner.has(hook)) mistakes.push(`${owner.name}: ${name} without ${hook}`);
    }
    if ((owner.flags & requires) !== requires) mistakes.push(`${owner.name}: ${name} lacks a flag`);
    if ((owner.flags & excludes) !== 0) mistakes.push(`${owner.name}: ${name} excludes a flag`);
  }
  for (const fact of Object.values(HOOKS)) {
    const hook: HookName = fact.name;
    const optedIn = fact.obligedBy === 0 || (owner.flags & fact.obligedBy) !== 0;
    if (owner.has(hook) && !optedIn) mistakes.push(`${owner.name}: ${hook} without its flag`);
  }
  return mistakes;
}
