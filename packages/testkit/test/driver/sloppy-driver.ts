import {
  ContentsToken,
  FoliosToken,
  FolioTableToken,
  ManagedToken,
  MemoryTiersToken,
  MigrateToken,
  MmError,
  type Plugin,
  type Services,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  NodePrivateToken,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  nodePrivate,
  PrivateHotplugToken,
} from '@mm-lab/node-private';
import type { DriverUnderTest } from '../../src/index.js';

/** What the driver does wrong. */
export type Sloppiness =
  | 'nothing'
  | 'forgets remove'
  | 'keeps freed pages'
  | 'loses contents'
  | 'forgets the order'
  | 'asks for chance'
  | 'throws'
  | 'opens the gate'
  | 'has a global'
  | 'acts without its flag';

const NID = 1;
const NAME = 'sloppy';
let seen = 0;

/** A demotion target on a private node that breaks one rule. */
export function sloppyDriver(sloppiness: Sloppiness): DriverUnderTest {
  return {
    name: NAME,
    plugins: () => [nodePrivate(), plugin(sloppiness)],
    nodes: [
      { id: 0, pages: 300, cpus: 1 },
      { id: NID, pages: 800, online: false, lineNs: 300 },
    ],
    steps: 150,
    seeds: [1, 2, 3],
  };
}

function plugin(sloppiness: Sloppiness): Plugin {
  return {
    name: NAME,
    probe: (services) => probe(services, sloppiness),
    remove(services) {
      if (sloppiness === 'forgets remove') return;
      services.get(PrivateHotplugToken).offline_and_remove_private_memory(NID);
    },
    stats: () => ({ 'sloppy.seen': sloppiness === 'has a global' ? seen : 0 }),
  };
}

function probe(services: Services, sloppiness: Sloppiness): void {
  const np = { name: NAME };
  const migration = sloppiness === 'acts without its flag' ? 0 : NP_OPS_MIGRATION;
  const errno =
    services.get(PrivateHotplugToken).add_private_memory_driver_managed(NID, np, null) ||
    services.get(NodePrivateToken).node_private_set_ops(NID, {
      flags: migration | NP_OPS_DEMOTION,
      free_folio: () => sloppiness === 'keeps freed pages',
      folio_migrate() {
        if (sloppiness === 'throws') throw new Error('no such device');
      },
      migrate_to: (list, nid, mode, reason) =>
        migrateTo(services, sloppiness, { list, nid, mode, reason }),
    });
  if (errno < 0) throw new MmError('NODE_REFUSED', { plugin: NAME, errno: -errno });
  services.get(MemoryTiersToken).refresh();
  if (sloppiness === 'opens the gate') openGate(services);
}

interface Move {
  readonly list: number[];
  readonly nid: number;
  readonly mode: number;
  readonly reason: number;
}

function migrateTo(services: Services, sloppiness: Sloppiness, move: Move): number {
  const table = services.get(FolioTableToken);
  const made: number[] = [];
  const newFolio = (src: number): number => {
    const order = sloppiness === 'forgets the order' ? 0 : (table.order[src] ?? 0);
    const gfp = GFP_PRIVATE;
    const dst = services.get(ZoneAllocToken).alloc({ gfp, order, nid: move.nid, nodemask: null });
    if (dst >= 0) made.push(dst);
    return dst;
  };
  if (sloppiness === 'asks for chance' && Math['random']() < 0) return 0;
  seen += 1;
  const { mode, reason } = move;
  const migrate = services.get(MigrateToken);
  const { rc } = migrate.migratePages(move.list, { newFolio, mode, reason });
  migrate.afterCompletion(() => services.get(FoliosToken).lruAddDrainAll());
  const broken = sloppiness === 'loses contents' ? made[0] : undefined;
  if (broken !== undefined) services.get(ContentsToken).lose(broken);
  return rc;
}

/** The gate lets everybody in from now on. */
function openGate(services: Services): void {
  services.get(ManagedToken).numa_zone_alloc_allowed = () => true;
}
