import {
  EINVAL,
  GRANT_COMPACTION,
  GRANT_DEMOTION,
  GRANT_HOTUNPLUG,
  GRANT_LONGTERM_PIN,
  GRANT_LRU,
  GRANT_MEMPOLICY,
  GRANT_MIGRATION,
  GRANT_NUMA_BALANCING,
  GRANT_OOM,
  GRANT_OOM_MEMS,
  GRANT_RECLAIM,
  GRANT_USER_MIGRATION,
  GRANT_WRITE,
} from '@mm-lab/mm-core';
import type { Mending } from './config.js';
import { type Divergences, readDivergences } from './divergences.js';
import type { NodePrivateOps } from './node-private.js';
import {
  NP_FLAG_FACTS,
  NP_OPS_COMPACTION,
  NP_OPS_DEMOTION,
  NP_OPS_LONGTERM_PIN,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_OOM_ELIGIBLE,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
} from './np-ops.js';

/** What each flag lets mm do. PROTECT_WRITE takes something away instead. */
const GRANTS: readonly (readonly [flags: number, grants: number])[] = [
  [NP_OPS_MIGRATION, GRANT_MIGRATION | GRANT_USER_MIGRATION | GRANT_HOTUNPLUG],
  [NP_OPS_MEMPOLICY, GRANT_MEMPOLICY],
  [NP_OPS_DEMOTION, GRANT_DEMOTION],
  [NP_OPS_RECLAIM, GRANT_RECLAIM],
  [NP_OPS_NUMA_BALANCING, GRANT_NUMA_BALANCING],
  [NP_OPS_COMPACTION, GRANT_COMPACTION],
  [NP_OPS_LONGTERM_PIN, GRANT_LONGTERM_PIN],
];

/**
 * The services of mm that the flags of RFC v4 let work on a node. mlock, madvise, KSM and collapse
 * have no flag: they never do (patches 06 to 09).
 */
export function grantsOf(flags: number, divergences: Divergences = readDivergences()): number {
  let grants = GRANT_LRU | ((flags & NP_OPS_PROTECT_WRITE) === 0 ? GRANT_WRITE : 0);
  if (isOomEligible(flags, divergences)) {
    grants |= divergences.oomNodes === 'text' ? GRANT_OOM | GRANT_OOM_MEMS : GRANT_OOM;
  }
  for (const [needed, given] of GRANTS) if ((flags & needed) === needed) grants |= given;
  return grants;
}

/** Patch 17; the cover letter has MIGRATION in place of RECLAIM (divergence D1). */
function isOomEligible(flags: number, { oomEligible }: Divergences): boolean {
  const needed = oomEligible === 'text' ? NP_OPS_MIGRATION | NP_OPS_DEMOTION : NP_OPS_OOM_ELIGIBLE;
  return (flags & needed) === needed;
}

/**
 * Checks what each flag obliges, in the order in which the patches added the checks (12, 13, 15,
 * 18, 19). Unknown bits are accepted, as the posted code does.
 * @param obligations `mended`: neither are they, nor a flag without the callback that it stands for
 * @returns 0 or -EINVAL
 */
export function checkFlags(ops: NodePrivateOps, obligations: Mending = 'v4'): number {
  if (flagMistake(ops) !== null) return -EINVAL;
  return obligations === 'mended' && isCareless(ops) ? -EINVAL : 0;
}

/** Does a flag lack a callback that nobody checks, or is there a bit that nobody knows? */
function isCareless(ops: NodePrivateOps): boolean {
  const known = NP_FLAG_FACTS.reduce((sum, { flag }) => sum | flag, 0);
  if ((ops.flags & ~known) !== 0) return true;
  const set = NP_FLAG_FACTS.filter(({ flag }) => (ops.flags & flag) !== 0);
  return set.some(({ unchecked }) => unchecked.some((callback) => ops[callback] === undefined));
}

/** The first obligation that is not met, in words; null if all are. */
export function flagMistake(ops: NodePrivateOps): string | null {
  return flagMistakes(ops)[0] ?? null;
}

/**
 * Obligations that are not met, and callbacks that act without the flag that stands for them: the
 * posted series tests the pointer and no flag (divergence D2).
 */
export function opsMistakes(ops: NodePrivateOps): string[] {
  return [...flagMistakes(ops), ...unflaggedCallbacks(ops)];
}

function flagMistakes(ops: NodePrivateOps): string[] {
  const mistakes: string[] = [];
  for (const fact of NP_FLAG_FACTS) {
    if ((ops.flags & fact.flag) === 0) continue;
    for (const callback of fact.callbacks) {
      if (ops[callback] === undefined) {
        mistakes.push(`${fact.name} needs the callback ${callback}`);
      }
    }
    if ((ops.flags & fact.requires) !== fact.requires) {
      mistakes.push(`${fact.name} needs ${nameOf(fact.requires)}`);
    }
    if ((ops.flags & fact.excludes) !== 0) {
      mistakes.push(`${fact.name} and ${nameOf(fact.excludes)} exclude each other`);
    }
  }
  return mistakes;
}

function unflaggedCallbacks(ops: NodePrivateOps): string[] {
  return NP_FLAG_FACTS.filter(({ flag }) => (ops.flags & flag) === 0).flatMap((fact) =>
    fact.callbacks
      .filter((callback) => ops[callback] !== undefined)
      .map((callback) => `${callback} without its flag`),
  );
}

function nameOf(flags: number): string {
  return NP_FLAG_FACTS.filter((fact) => (flags & fact.flag) !== 0)
    .map((fact) => fact.name)
    .join(' and ');
}
