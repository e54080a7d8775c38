import { isArray, type Json } from './json.js';
import { StepError } from './step.js';

/** Names of the recorder's vocabulary with the kernel's numbers. */
export type Names = Readonly<Record<string, number>>;

export const ADVICES: Names = {
  NORMAL: 0,
  RANDOM: 1,
  SEQUENTIAL: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  FREE: 8,
  REMOVE: 9,
  DONTFORK: 10,
  DOFORK: 11,
  MERGEABLE: 12,
  UNMERGEABLE: 13,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  DODUMP: 17,
  WIPEONFORK: 18,
  KEEPONFORK: 19,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  DONTNEED_LOCKED: 24,
  COLLAPSE: 25,
  HWPOISON: 100,
  SOFT_OFFLINE: 101,
  GUARD_INSTALL: 102,
  GUARD_REMOVE: 103,
};
export const MODES: Names = {
  DEFAULT: 0,
  PREFERRED: 1,
  BIND: 2,
  INTERLEAVE: 3,
  LOCAL: 4,
  PREFERRED_MANY: 5,
  WEIGHTED_INTERLEAVE: 6,
};
export const MODE_FLAGS: Names = {
  STATIC_NODES: 1 << 15,
  RELATIVE_NODES: 1 << 14,
  NUMA_BALANCING: 1 << 13,
};
export const MBIND_FLAGS: Names = { STRICT: 1, MOVE: 2, MOVE_ALL: 4, LAZY: 8 };
export const GET_MEMPOLICY_FLAGS: Names = { NODE: 1, ADDR: 2, MEMS_ALLOWED: 4 };
export const MAP_FLAGS: Names = {
  shared: 0x1,
  private: 0x2,
  anon: 0x20,
  populate: 0x8000,
  noreserve: 0x4000,
  hugetlb: 0x40000,
  locked: 0x2000,
  growsdown: 0x100,
  droppable: 0x8,
};
export const MAP_FIXED = 0x10;
export const MAP_FIXED_NOREPLACE = 0x100000;

/** @throws StepError for a name that is not in the table */
export function numberOf(names: Names, name: string): number {
  const value = Object.hasOwn(names, name) ? names[name] : undefined;
  if (value === undefined) throw new StepError(`unknown name ${name}`);
  return value;
}

/** The name of a number, or undefined. */
export function nameOf(names: Names, value: number): string | undefined {
  return Object.keys(names).find((name) => names[name] === value);
}

/** A set of flags: a number, a name, or a list of either. @throws StepError */
export function flagSet(names: Names, value: Json | undefined): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return numberOf(names, value);
  if (!isArray(value)) return 0;
  return value.reduce<number>((set, item) => set | flagSet(names, item), 0);
}

/** A name or a number. @throws StepError */
export function nameOrNumber(names: Names, value: Json | undefined): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return numberOf(names, value);
  throw new StepError(`expected a name, found ${JSON.stringify(value)}`);
}

/** PROT_* of letters out of `rwx`; any other text is none, as the recorder has it. */
export function protOf(text: string): number {
  return (text.includes('r') ? 1 : 0) | (text.includes('w') ? 2 : 0) | (text.includes('x') ? 4 : 0);
}
