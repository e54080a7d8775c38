import { HOOKS, MmError } from '@mm-lab/mm-core';
import { closestMatch } from 'leven';
import type { NodePrivateInfo, NodePrivateOps } from './node-private.js';

/** Names of what a service may bring beside its flags. */
const KNOWN: readonly string[] = [
  ...Object.values(HOOKS).map(({ name }) => name),
  'handle_fault_vmf',
];

/** Error numbers go up to it (include/linux/err.h). */
const MAX_ERRNO = 4095;

/** Letters that a misspelt name may differ in. */
const TYPOS_MAX = 2;

/**
 * Drivers are run without a look at their types, so a misspelt callback would never be called, and
 * flags that are no number would be none. A plain object has callbacks and flags; an object of a
 * class may have methods of its own, unless their names are nearly that of a callback it lacks.
 * @throws MmError OPS_MALFORMED
 */
export function checkOpsForm(ops: NodePrivateOps, plugin: string): void {
  if (!isSumOfBits(ops.flags)) {
    const detail = `flags is ${ops.flags}, no sum of NP_OPS_* bits (0: none)`;
    throw new MmError('OPS_MALFORMED', { plugin, detail });
  }
  for (const name of functionNames(ops)) {
    if (KNOWN.includes(name)) continue;
    const near = closestMatch(name, KNOWN, { maxDistance: TYPOS_MAX });
    if ((near === undefined || near in ops) && !isPlain(ops)) continue;
    const hint = near === undefined ? '.' : `; did you mean ${near}?`;
    const detail = `there is no callback ${name}${hint} Known are ${KNOWN.join(', ')}`;
    throw new MmError('OPS_MALFORMED', { plugin, detail });
  }
  for (const name of KNOWN) {
    const callback: unknown = Reflect.get(ops, name);
    if (callback === undefined || typeof callback === 'function') continue;
    throw new MmError('OPS_MALFORMED', { plugin, detail: `${name} is no function` });
  }
}

/** @throws MmError CAPS_MALFORMED */
export function checkCapsForm({ name, caps = 0 }: NodePrivateInfo): void {
  if (isSumOfBits(caps)) return;
  throw new MmError('CAPS_MALFORMED', { plugin: name, detail: `caps is ${caps}` });
}

/**
 * Bits that nobody knows are accepted, as by the posted code. With bit 31 set by an operator a sum
 * of bits is below 0, and so is an error number that was taken for one.
 */
function isSumOfBits(bits: number): boolean {
  const isInRange = (bits >= 0 && bits < 2 ** 32) || (bits >= -(2 ** 31) && bits < -MAX_ERRNO);
  return Number.isInteger(bits) && isInRange;
}

function isPlain(ops: object): boolean {
  const above: unknown = Object.getPrototypeOf(ops);
  return above === null || above === Object.prototype;
}

/** Own and inherited, those of a class included. */
function functionNames(ops: object): string[] {
  const names: string[] = [];
  for (
    let at: object | null = ops;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor') names.push(name);
    }
  }
  return names;
}
