/**
 * Page-table entries. An entry is two columns: `bits` (flags, type, node) and `value` (a pfn when
 * present, otherwise what the type says: a swap slot, the pfn under migration, a plugin's payload).
 * `bits === 0` is the empty entry.
 *
 * Bits 24..29 hold the node of a present page, so that the access engine can charge the right
 * latency from the entry alone.
 */
export const PTE_PRESENT = 1 << 0;
export const PTE_WRITE = 1 << 1;
export const PTE_ACCESSED = 1 << 2;
export const PTE_DIRTY = 1 << 3;
/** Present but inaccessible: PROT_NONE or a NUMA hint (pte_protnone). PTE_PRESENT is then clear. */
export const PTE_PROTNONE = 1 << 4;
/** Maps the shared zero page: no reference, no mapcount, no rss (pte_special). */
export const PTE_SPECIAL = 1 << 5;
/** A swap entry whose page was exclusive (pte_swp_exclusive). */
export const PTE_SWP_EXCLUSIVE = 1 << 6;
/**
 * In a non-present entry of a plugin's type: `value` is the pfn of a page that the CPU can't
 * address and that the entry maps all the same, with a reference, a mapcount, a place in the
 * reverse map and rss (is_pfn_swap_entry). PTE_WRITE then says that the mapping was a writable one.
 */
export const PTE_UNADDRESSABLE = 1 << 7;

/**
 * Two bits of the access engine, no hardware has them: cleared whenever an entry is set. CHECKED:
 * the contents behind the entry were compared with the shadow memory since it was set. WRITTEN: a
 * store went through the entry since it was set, so the contents already have a fresh identity.
 */
export const PTE_CHECKED = 1 << 8;
export const PTE_WRITTEN = 1 << 9;

/**
 * Was stored to since /proc/PID/clear_refs asked last (pte_soft_dirty, pte_swp_soft_dirty): set by
 * the kernel's fault paths, never by hardware, which is why clearing it takes PTE_WRITE away too.
 */
export const PTE_SOFT_DIRTY = 1 << 10;
/** Write-protected by a userfaultfd (pte_uffd_wp, pte_swp_uffd_wp); PTE_WRITE is then clear. */
export const PTE_UFFD_WP = 1 << 11;
/** What the kernel sets when it makes an entry dirty (pte_mkdirty). */
export const PTE_MKDIRTY = PTE_DIRTY | PTE_SOFT_DIRTY;
/** What an entry keeps while its page is on swap, under migration, or being copied by fork. */
export const PTE_TRACKING = PTE_SOFT_DIRTY | PTE_UFFD_WP;

export const PTE_TYPE_SHIFT = 12;
export const PTE_TYPE_MASK = 0xf << PTE_TYPE_SHIFT;
/** Non-present entry types (include/linux/swapops.h); 8..15 are for plugins. */
export const PTE_TYPE_SWAP = 1;
export const PTE_TYPE_MIGRATION_READ = 2;
export const PTE_TYPE_MIGRATION_READ_EXCLUSIVE = 3;
export const PTE_TYPE_MIGRATION_WRITE = 4;
export const PTE_TYPE_HWPOISON = 5;
/** A PTE marker: `value` is a set of PTE_MARKER_* bits, there is no page (pte_marker). */
export const PTE_TYPE_MARKER = 6;
export const PTE_TYPE_PLUGIN_FIRST = 8;
export const PTE_TYPE_PLUGIN_LAST = 15;

/** What a marker says (include/linux/leafops.h). */
export const PTE_MARKER_UFFD_WP = 1;
export const PTE_MARKER_POISONED = 2;
export const PTE_MARKER_GUARD = 4;

export const PTE_NODE_SHIFT = 24;
export const PTE_NODE_MASK = 0x3f << PTE_NODE_SHIFT;

/** The type of a non-present entry; 0 for an empty or a present one. */
export function pteType(bits: number): number {
  return (bits & PTE_TYPE_MASK) >>> PTE_TYPE_SHIFT;
}

/** Does the entry map a page (accessible or PROT_NONE)? */
export function pteMapsPage(bits: number): boolean {
  return (bits & (PTE_PRESENT | PTE_PROTNONE)) !== 0;
}

/**
 * Does the entry map a page that has a folio (vm_normal_page)? The zero page has none, and its
 * value says frame 0, which is another page's.
 */
export function pteMapsNormalPage(bits: number): boolean {
  return pteMapsPage(bits) && (bits & PTE_SPECIAL) === 0;
}

/** Does the entry count as a mapping of a page, whether the CPU can use it or not? */
export function pteHoldsPage(bits: number): boolean {
  return (bits & (PTE_PRESENT | PTE_PROTNONE | PTE_UNADDRESSABLE)) !== 0;
}

/** Is the entry a marker with any of the PTE_MARKER_* bits `kinds`? */
export function isMarker(bits: number, value: number, kinds: number): boolean {
  return !pteHoldsPage(bits) && pteType(bits) === PTE_TYPE_MARKER && (value & kinds) !== 0;
}

/** Is it one of the three migration entries? */
export function isMigrationType(type: number): boolean {
  return type >= PTE_TYPE_MIGRATION_READ && type <= PTE_TYPE_MIGRATION_WRITE;
}
