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
/** PMD-sized entry; the 511 entries behind it are empty. */
export const MIGRATE_PFN_COMPOUND = 1 << 4;

/** Which pages `migrate_vma_setup` picks up besides holes. */
export const MIGRATE_VMA_SELECT_SYSTEM = 1 << 0;
export const MIGRATE_VMA_SELECT_DEVICE_PRIVATE = 1 << 1;
export const MIGRATE_VMA_SELECT_DEVICE_COHERENT = 1 << 2;
/** Keep PMD mappings whole. */
export const MIGRATE_VMA_SELECT_COMPOUND = 1 << 3;

const MIGRATE_PFN_UNIT = 1 << 6;

/** migrate_pfn: an entry that names `pfn`. */
export function migratePfn(pfn: number): number {
  return pfn * MIGRATE_PFN_UNIT + MIGRATE_PFN_VALID;
}

/** migrate_pfn_to_page: the pfn an entry names, or -1. */
export function migratePfnToPage(entry: number): number {
  return (entry & MIGRATE_PFN_VALID) === 0 ? -1 : Math.floor(entry / MIGRATE_PFN_UNIT);
}

/** Does the entry stand for a PMD? */
export function isCompound(entry: number): boolean {
  return (entry & MIGRATE_PFN_COMPOUND) !== 0;
}

/** The entry, standing for a PMD. */
export function asCompound(entry: number): number {
  return isCompound(entry) ? entry : entry + MIGRATE_PFN_COMPOUND;
}

/** The entry, standing for one page. */
export function asBase(entry: number): number {
  return isCompound(entry) ? entry - MIGRATE_PFN_COMPOUND : entry;
}

/** The flags of an entry. */
export function migratePfnFlags(entry: number): number {
  return entry & (MIGRATE_PFN_UNIT - 1);
}

/** Takes the entry out of the migration; what it names stays. */
export function withoutMigrate(entry: number): number {
  return (entry & MIGRATE_PFN_MIGRATE) === 0 ? entry : entry - MIGRATE_PFN_MIGRATE;
}
