import {
  type Machine,
  PG_active,
  PG_anon,
  PG_dirty,
  PG_head,
  PG_hwpoison,
  PG_ksm,
  PG_locked,
  PG_lru,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_tail,
  PG_unevictable,
} from '@mm-lab/mm-core';

const FLAGS: readonly (readonly [string, number])[] = [
  ['LOCKED', PG_locked],
  ['REFERENCED', PG_referenced],
  ['DIRTY', PG_dirty],
  ['LRU', PG_lru],
  ['ACTIVE', PG_active],
  ['ANON', PG_anon],
  ['SWAPCACHE', PG_swapcache],
  ['SWAPBACKED', PG_swapbacked],
  ['COMPOUND_HEAD', PG_head],
  ['COMPOUND_TAIL', PG_tail],
  ['UNEVICTABLE', PG_unevictable],
  ['HWPOISON', PG_hwpoison],
  ['KSM', PG_ksm],
];

/** Names of /proc/kpageflags that are set on a page. */
export function kpageFlags({ table }: Machine, pfn: number): readonly string[] {
  const flags = (table.flags[pfn] ?? 0) | (table.flags[table.head(pfn)] ?? 0);
  const named = FLAGS.filter(([, flag]) => (flags & flag) !== 0).map(([name]) => name);
  return (table.mapcount[pfn] ?? 0) > 0 ? [...named, 'MMAP', 'UPTODATE'] : [...named, 'UPTODATE'];
}
