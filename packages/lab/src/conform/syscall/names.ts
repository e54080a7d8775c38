import { isArray, type Json } from '../json.js';
import {
  ADVICES,
  GET_MEMPOLICY_FLAGS,
  MAP_FLAGS,
  MBIND_FLAGS,
  MODE_FLAGS,
  MODES,
  type Names,
  numberOf,
} from '../names.js';

/** Names with the prefix that the manual gives them. */
function prefixed(prefix: string, names: Names): Names {
  return Object.fromEntries(Object.entries(names).map(([name, value]) => [prefix + name, value]));
}

export const ADVICE_NAMES = prefixed('MADV_', ADVICES);
export const MODE_NAMES = prefixed('MPOL_', MODES);
export const MODE_FLAG_NAMES = prefixed('MPOL_F_', MODE_FLAGS);
export const MBIND_FLAG_NAMES = prefixed('MPOL_MF_', MBIND_FLAGS);
export const GET_FLAG_NAMES = prefixed('MPOL_F_', GET_MEMPOLICY_FLAGS);
export const MREMAP_FLAG_NAMES: Names = {
  MREMAP_MAYMOVE: 1,
  MREMAP_FIXED: 2,
  MREMAP_DONTUNMAP: 4,
};
export const MLOCK_FLAG_NAMES: Names = { MLOCK_ONFAULT: 1 };
export const MLOCKALL_FLAG_NAMES: Names = { MCL_CURRENT: 1, MCL_FUTURE: 2, MCL_ONFAULT: 4 };
export const MSYNC_FLAG_NAMES: Names = { MS_ASYNC: 1, MS_INVALIDATE: 2, MS_SYNC: 4 };
export const MMAP_FLAG_NAMES: Names = {
  ...MAP_FLAGS,
  shared_validate: 0x3,
  fixed: 0x10,
  nonblock: 0x10000,
  fixed_noreplace: 0x100000,
  unknown_bit10: 0x400,
};

/** A number, a name, or a list of either, as one set of bits. @throws StepError */
export function bitsOf(names: Names, value: Json | undefined): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return numberOf(names, value);
  if (!isArray(value)) return 0;
  return value.reduce<number>((set, item) => set | bitsOf(names, item), 0);
}

/** The name of a number in a table of them, or undefined. */
export function nameFor(names: Names, value: number): string | undefined {
  return Object.keys(names).find((name) => names[name] === value);
}
