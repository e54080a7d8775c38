import {
  PG_active,
  PG_anon,
  PG_dirty,
  PG_ksm,
  PG_mlocked,
  PG_readahead,
  PG_referenced,
  PG_swapbacked,
  PG_unevictable,
  PG_workingset,
} from '../abi/page-flags.js';
import type { FolioTable } from './folio-table.js';

const CARRIED =
  PG_referenced |
  PG_dirty |
  PG_active |
  PG_workingset |
  PG_swapbacked |
  PG_unevictable |
  PG_mlocked |
  PG_readahead |
  PG_anon |
  PG_ksm;

/** What moves with the contents of a folio (mm/migrate.c:folio_migrate_flags). */
export function migrateFolioFlags(table: FolioTable, src: number, dst: number): void {
  table.flags[dst]! |= table.flags[src]! & CARRIED;
  table.lastCpupid[dst] = table.lastCpupid[src]!;
  table.lruRefs[dst] = table.lruRefs[src]!;
}
