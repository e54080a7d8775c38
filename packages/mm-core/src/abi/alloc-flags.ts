/** Rights and wishes of a walk over the zones besides its mark (mm/internal.h). */
export const ALLOC_OOM = 0x08;
/** The request cannot wait. */
export const ALLOC_NON_BLOCK = 0x10;
/** __GFP_HIGH. */
export const ALLOC_MIN_RESERVE = 0x20;
/** No page blocks of mixed types: rather another zone. */
export const ALLOC_NOFRAGMENT = 0x100;
/** May take MIGRATE_HIGHATOMIC pages, and reserves the block it gets. */
export const ALLOC_HIGHATOMIC = 0x200;
/** May wake kswapd. */
export const ALLOC_KSWAPD = 0x800;
/** May have pages that others must leave. */
export const ALLOC_RESERVES = ALLOC_OOM | ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_HIGHATOMIC;
