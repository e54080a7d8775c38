/**
 * A driver of one's own: memory that wears out (NOR flash on the memory bus, say) as a private
 * node. Cold pages are demoted to it; the driver counts an erase for each page that is given up and
 * takes nothing in once the part's budget is spent. This is all of it.
 */
import { ENOSPC, MemoryTiersToken, MmError, type Plugin } from '@mm-lab/mm-core';
import {
  movingOps,
  NodePrivateToken,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  PrivateHotplugToken,
} from '@mm-lab/node-private';

export interface EnduranceOptions {
  /** A node of the machine with `online: false`. */
  readonly nid: number;
  /** Page erases that the part survives. */
  readonly erasesMax: number;
}

/** Plugin: write-limited memory as a demotion target. Needs `nodePrivate()`. */
export function enduranceDriver({ nid, erasesMax }: EnduranceOptions): Plugin {
  const name = 'endurance';
  let erases = 0;
  return {
    name,
    probe(services) {
      const moving = movingOps(services);
      const errno =
        services.get(PrivateHotplugToken).add_private_memory_driver_managed(nid, { name }, null) ||
        services.get(NodePrivateToken).node_private_set_ops(nid, {
          flags: NP_OPS_MIGRATION | NP_OPS_DEMOTION,
          free_folio() {
            erases += 1;
            return false;
          },
          ...moving,
          migrate_to(...request) {
            return erases >= erasesMax ? -ENOSPC : moving.migrate_to(...request);
          },
        });
      if (errno < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -errno });
      services.get(MemoryTiersToken).refresh();
    },
    remove(services) {
      services.get(PrivateHotplugToken).offline_and_remove_private_memory(nid);
    },
    stats: () => ({ 'endurance.erases': erases }),
  };
}
