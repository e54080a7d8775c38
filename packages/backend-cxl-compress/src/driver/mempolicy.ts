import {
  type CompressingDevice,
  createToken,
  deviceToken,
  type FolioTable,
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  inject,
  injectable,
  type Migrate,
  MigrateToken,
  MmError,
  type PageAlloc,
  PageAllocToken,
  type Plugin,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  type NodePrivate,
  type NodePrivateOps,
  NodePrivateToken,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  type PrivateHotplug,
  PrivateHotplugToken,
} from '@mm-lab/node-private';
import type { DriverOptions } from './driver-options.js';

/**
 * The sample driver of RFC v4 patch 26 (cxl_mempolicy): private memory that behaves as DRAM does
 * and that only an explicit policy or migration reaches. Nobody asks how full the device really is,
 * and nothing keeps programs from storing in place.
 */
@injectable()
export class CxlMempolicy {
  private bound: { readonly nid: number; readonly ops: NodePrivateOps } | null = null;

  constructor(
    @inject(PrivateHotplugToken) private readonly hotplug: PrivateHotplug,
    @inject(NodePrivateToken) private readonly nodePrivate: NodePrivate,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
  ) {}

  /** @returns 0 or -errno of the step that failed; then nothing stays claimed */
  probe(nid: number, device: CompressingDevice): number {
    const np = { name: 'cxl-mempolicy' };
    const added = this.hotplug.add_private_memory_driver_managed(nid, np, device);
    if (added < 0) return added;
    const ops = this.ops();
    const rc = this.nodePrivate.node_private_set_ops(nid, ops);
    if (rc < 0) {
      this.hotplug.offline_and_remove_private_memory(nid);
      return rc;
    }
    this.bound = { nid, ops };
    return 0;
  }

  /**
   * In the posted order: the ops are cleared first, so what is on the node can no longer leave it
   * (unless `nodePrivate({ teardown: 'mended' })`).
   * @returns 0, or the error of clearing the ops or of taking the memory offline
   */
  remove(): number {
    const { bound } = this;
    if (bound === null) return 0;
    const { nid, ops } = bound;
    if (this.nodePrivate.opsOf(nid) === ops) {
      const cleared = this.nodePrivate.node_private_clear_ops(nid, ops);
      if (cleared < 0) return cleared;
    }
    const rc = this.hotplug.offline_and_remove_private_memory(nid);
    if (rc === 0) this.bound = null;
    return rc;
  }

  private ops(): NodePrivateOps {
    const gfp = GFP_HIGHUSER_MOVABLE | GFP_PRIVATE;
    return {
      flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
      folio_migrate: () => undefined,
      migrate_to: (list, nid, mode, reason) => {
        const newFolio = (src: number): number => {
          const order = this.table.order[src] ?? 0;
          return this.pageAlloc.alloc({ gfp, order, nid, nodemask: null });
        };
        return this.migrate.migratePages(list, { mode, reason, newFolio }).rc;
      },
    };
  }
}
export const CxlMempolicyToken = createToken<CxlMempolicy>('CxlMempolicy');

/**
 * Plugin: the device's memory on a private node, for policies to name. Needs `nodePrivate()`.
 *
 * @throws MmError NODE_REFUSED, at probe and remove
 */
export function cxlMempolicy(options: DriverOptions): Plugin {
  const name = 'cxl-mempolicy';
  const must = (rc: number): void => {
    if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
  };
  return {
    name,
    register: (services) => services.bind(CxlMempolicyToken, CxlMempolicy),
    probe(services) {
      const device = services.get(deviceToken(options.device ?? 'cxl0'));
      must(services.get(CxlMempolicyToken).probe(options.nid, device));
    },
    remove: (services) => must(services.get(CxlMempolicyToken).remove()),
  };
}
