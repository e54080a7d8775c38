/** Folio flags (include/linux/page-flags.h): the kernel's names, bit positions of ours. */
export const PG_locked = 1 << 0;
export const PG_referenced = 1 << 1;
export const PG_dirty = 1 << 2;
/** On an LRU list, or in a per-CPU batch on its way there (the batch has not set it yet). */
export const PG_lru = 1 << 3;
export const PG_active = 1 << 4;
export const PG_workingset = 1 << 5;
export const PG_swapbacked = 1 << 6;
/** Has a slot in the swap cache. */
export const PG_swapcache = 1 << 7;
export const PG_unevictable = 1 << 8;
export const PG_mlocked = 1 << 9;
export const PG_reclaim = 1 << 10;
/** Of a page of the swap cache: read ahead and not used yet. The bit of PG_reclaim. */
export const PG_readahead = PG_reclaim;
export const PG_hwpoison = 1 << 11;
/** Free block of the buddy allocator; set on its first page only. */
export const PG_buddy = 1 << 12;
/** First page of a folio of order > 0. */
export const PG_head = 1 << 13;
/** Later page of such a folio. */
export const PG_tail = 1 << 14;
export const PG_anon = 1 << 15;
/**
 * The one mapping of this anonymous page may write without a copy (PageAnonExclusive; kept per
 * page).
 */
export const PG_anon_exclusive = 1 << 16;
/** Not managed by the buddy allocator: the shared zero page, memory of an offline block. */
export const PG_reserved = 1 << 17;
/** Taken off the LRU for reclaim or migration. */
export const PG_isolated = 1 << 18;
/** Sits in a per-CPU LRU batch, which holds a reference (mm/folio.c:folio_add_lru). */
export const PG_batched = 1 << 19;
/** May be pinned for long (FOLL_LONGTERM). */
export const PG_pinned = 1 << 20;
/** Anonymous and large, with pages that are mapped nowhere: waits to be split. */
export const PG_partially_mapped = 1 << 21;
/** A page of the hugetlb pool: never on the LRU (folio_test_hugetlb). */
export const PG_hugetlb = 1 << 22;
/** Merged by KSM: mapped read-only by whoever has this content (folio_test_ksm). */
export const PG_ksm = 1 << 23;
