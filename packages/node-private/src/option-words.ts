import { OptionCheck } from '@mm-lab/mm-core';
import { DIVERGENCES } from './divergences.js';
import type { Mends } from './mends.js';
import type { NodePrivateOptions } from './plugin.js';

const MENDING = ['v4', 'mended'] as const;
const BUILD = ['built in', 'left out'] as const;

const MENDS: Readonly<Record<keyof Mends, readonly string[]>> = {
  reclaimFrees: MENDING,
  swapIn: MENDING,
  sharedMaps: MENDING,
  teardown: MENDING,
  kernelPages: MENDING,
  shmem: MENDING,
  stalePolicy: MENDING,
  mbindMove: MENDING,
  hugeAdvice: MENDING,
  cpusetMoves: MENDING,
  hotAdd: MENDING,
  blockedTarget: MENDING,
  groupReclaim: MENDING,
  bufferedWrites: MENDING,
  overflow: MENDING,
  policyReach: MENDING,
  obligations: MENDING,
  poisonNotice: MENDING,
  keptFolios: MENDING,
  numaMaps: MENDING,
  numaStat: MENDING,
  normalMemory: MENDING,
  demotionOrder: MENDING,
  lateClear: MENDING,
};

/** What each option may say. */
const WORDS: Readonly<Record<Exclude<keyof NodePrivateOptions, 'divergences'>, readonly string[]>> =
  {
    ...MENDS,
    profile: ['v4-ops', 'v5-caps'],
    gate: ['gfp-private', 'thisnode', 'scope', 'private-zonelist'],
    hotplug: BUILD,
    hotRemove: BUILD,
  };

/**
 * Experiments are run without a look at their types, so a misspelt option would silently be the
 * default. @throws MmError DEVICE_BAD_OPTION
 */
export function checkOptions({ divergences = {}, ...options }: NodePrivateOptions): void {
  const check = new OptionCheck('node-private');
  check.known(options, Object.keys(WORDS));
  const words = new Map<string, readonly string[]>(Object.entries(WORDS));
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) check.word(name, String(value), words.get(name) ?? []);
  }
  const facts = Object.entries(DIVERGENCES);
  check.known(
    divergences,
    facts.flatMap(([name, { id }]) => [name, id]),
  );
  for (const [name, value] of Object.entries(divergences)) {
    if (value !== undefined) check.word(`divergence ${name}`, value, ['text', 'code']);
  }
}
