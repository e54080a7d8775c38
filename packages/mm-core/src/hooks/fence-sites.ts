import { type SiteFact, site } from './site-fact.js';

/**
 * Sites at which a page behind a write fence may be opened or changed and which the posted series
 * has not: they ask only where an option mends it.
 */
export const FENCE_SITES = {
  'memory.do_swap_page': site(
    'write protect and fault',
    0,
    'mm/memory.c:do_swap_page',
    'folio_managed_swap_in_wrprotect',
  ),
  'memory.set_pte_range': site(
    'write protect and fault',
    0,
    'mm/memory.c:set_pte_range',
    'folio_managed_shared_wrprotect',
  ),
  'memory.do_set_pmd': site(
    'write protect and fault',
    0,
    'mm/memory.c:do_set_pmd',
    'folio_managed_shared_wrprotect',
  ),
  'filemap.generic_perform_write': site(
    'write protect and fault',
    0,
    'mm/filemap.c:generic_perform_write',
    'folio_managed_buffered_wrprotect',
  ),
} as const satisfies Record<string, SiteFact>;
