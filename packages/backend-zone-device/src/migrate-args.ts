import { assert, type MmStruct, type Vma } from '@mm-lab/mm-core';

/** What a migration by address is about (struct migrate_vma). Pages are virtual page numbers. */
export interface MigrateVmaArgs {
  readonly mm: MmStruct;
  readonly start: number;
  /** First page behind the range, which lies in one vma. */
  readonly end: number;
  /** One entry per page; filled by setup, see migrate-pfn.ts. */
  readonly src: number[];
  /** One entry per page; filled by the driver between setup and pages. */
  readonly dst: number[];
  /** Whose device pages are picked up. */
  readonly owner: object | null;
  /** MIGRATE_VMA_SELECT_*. */
  readonly flags: number;
  /** Page whose fault this is, locked by the fault handler, or -1. */
  readonly faultPage: number;
  /** Entries that take part, holes included; set by setup. */
  cpages: number;
}

/** Arguments for [start, end) of an address space, nothing collected yet. */
export function migrateVmaArgs(
  range: Pick<MigrateVmaArgs, 'mm' | 'start' | 'end' | 'owner' | 'flags'> & {
    readonly faultPage?: number;
  },
): MigrateVmaArgs {
  const pages = Math.max(0, range.end - range.start);
  return {
    ...range,
    src: new Array<number>(pages).fill(0),
    dst: new Array<number>(pages).fill(0),
    faultPage: range.faultPage ?? -1,
    cpages: 0,
  };
}

/** The area that a migration is about; setup has checked that there is one. */
export function vmaOf(args: MigrateVmaArgs): Vma {
  const vma = args.mm.find(args.start);
  assert(vma !== null, 'setup refuses a range outside of an area');
  return vma;
}

/** What both ways to migrate, by address and by pfn, hand to the phases they share. */
export interface MigrateEntries {
  readonly src: number[];
  readonly dst: number[];
  /** Locked by the fault handler, or -1. */
  readonly faultPage: number;
}
