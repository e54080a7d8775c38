import { __GFP_THISNODE } from '@mm-lab/mm-core';

/** The request may land on an N_MEMORY_PRIVATE node (RFC v4 patch 02): a bit that was unused. */
export const __GFP_PRIVATE = 0x200;
/** Only this node, and it may be private (RFC v4 patch 02). */
export const GFP_PRIVATE = __GFP_PRIVATE | __GFP_THISNODE;
