import { EINVAL, NP_FLAG_FACTS } from '@mm-lab/mm-core';
import type { NodePrivateOps } from './node-private.js';

/**
 * Checks what each flag obliges, in the order in which the patches added the checks (12, 13, 15,
 * 18, 19). Unknown bits are accepted, as the posted code does.
 * @returns 0 or -EINVAL
 */
export function checkFlags(ops: NodePrivateOps): number {
  return flagMistake(ops) === null ? 0 : -EINVAL;
}

/** The first obligation that is not met, in words; null if all are. */
export function flagMistake(ops: NodePrivateOps): string | null {
  for (const fact of NP_FLAG_FACTS) {
    if ((ops.flags & fact.flag) === 0) continue;
    for (const callback of fact.callbacks) {
      if (ops[callback] === undefined) return `${fact.name} needs the callback ${callback}`;
    }
    if ((ops.flags & fact.requires) !== fact.requires) {
      return `${fact.name} needs ${nameOf(fact.requires)}`;
    }
    if ((ops.flags & fact.excludes) !== 0) {
      return `${fact.name} and ${nameOf(fact.excludes)} exclude each other`;
    }
  }
  return null;
}

function nameOf(flags: number): string {
  return NP_FLAG_FACTS.filter((fact) => (flags & fact.flag) !== 0)
    .map((fact) => fact.name)
    .join(' and ');
}
