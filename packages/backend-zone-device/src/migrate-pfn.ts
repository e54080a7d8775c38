/**
 * Entries of the src and dst arrays of a migration (include/linux/migrate.h). An entry is a number:
 * a pfn above the flags, 0 = does not take part. A pfn may need more than 32 bits together with the
 * flags, so pfns are split off by arithmetic.
 */

/** A pfn is encoded. */
export const MIGRATE_PFN_VALID = 1 << 0;
/** The entry takes part; without VALID it is a hole. */
export const MIGRATE_PFN_MIGRATE = 1 << 1;
/** The CPU's mapping was writable. */
export const MIGRATE_PFN_WRITE = 1 << 3;
/** PMD-sized entry; the model has base pages only and never sets it. */
export const MIGRATE_PFN_COMPOUND = 1 << 4;

/** Which pages `migrate_vma_setup` picks up besides holes. */
export const MIGRATE_VMA_SELECT_SYSTEM = 1 << 0;
export const MIGRATE_VMA_SELECT_DEVICE_PRIVATE = 1 << 1;
export const MIGRATE_VMA_SELECT_DEVICE_COHERENT = 1 << 2;

const MIGRATE_PFN_UNIT = 1 << 6;

/** migrate_pfn: an entry that names `pfn`. */
export function migratePfn(pfn: number): number {
  return pfn * MIGRATE_PFN_UNIT + MIGRATE_PFN_VALID;
}

/** migrate_pfn_to_page: the pfn an entry names, or -1. */
export function migratePfnToPage(entry: number): number {
  return (entry & MIGRATE_PFN_VALID) === 0 ? -1 : Math.floor(entry / MIGRATE_PFN_UNIT);
}

/** Takes the entry out of the migration; what it names stays. */
export function withoutMigrate(entry: number): number {
  return (entry & MIGRATE_PFN_MIGRATE) === 0 ? entry : entry - MIGRATE_PFN_MIGRATE;
}
