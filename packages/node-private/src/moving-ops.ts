import {
  __GFP_HIGHMEM,
  __GFP_MOVABLE,
  FoliosToken,
  FolioTableToken,
  MigrateToken,
  type Services,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import { GFP_PRIVATE } from './gfp.js';
import type { NodePrivateOps } from './node-private.js';

/**
 * The two callbacks that NP_OPS_MIGRATION obliges, for a driver that has nothing to add: ordinary
 * migration into the node, onto a fresh folio for which nothing is reclaimed, and every CPU's LRU
 * batch drained when it arrived. Spread them into the ops, or call `migrate_to` from one's own.
 */
export function movingOps(
  services: Services,
): Required<Pick<NodePrivateOps, 'migrate_to' | 'folio_migrate'>> {
  const table = services.get(FolioTableToken);
  const migrate = services.get(MigrateToken);
  const zoneAlloc = services.get(ZoneAllocToken);
  const folios = services.get(FoliosToken);
  const gfp = GFP_PRIVATE | __GFP_HIGHMEM | __GFP_MOVABLE;
  return {
    folio_migrate: () => undefined,
    migrate_to(list, nid, mode, reason) {
      const newFolio = (src: number): number =>
        zoneAlloc.alloc({ gfp, order: table.order[src] ?? 0, nid, nodemask: null });
      const { rc } = migrate.migratePages(list, { newFolio, mode, reason });
      migrate.afterCompletion(() => folios.lruAddDrainAll());
      return rc;
    },
  };
}
