import {
  __GFP_RECLAIM,
  createToken,
  deviceToken,
  ENODEV,
  type FolioTable,
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  GFP_TRANSHUGE,
  inject,
  injectable,
  type Migrate,
  MigrateToken,
  mustSucceed,
  NodesToken,
  OptionCheck,
  type Plugin,
  type Services,
  type ZoneAlloc,
  ZoneAllocToken,
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
import { CxlMemdev, type CxlMemdevOptions, checkMemdev } from './cxl-memdev.js';
import { type CxlRegion, regionOfNode } from './cxl-region.js';
import { checkDriver, type DriverOptions } from './driver-options.js';
import { CxlSysrams, CxlSysramsToken } from './sysram.js';

/** Pages of this node only; large ones as alloc_migration_target asks for them. */
const SMALL_GFP = GFP_HIGHUSER_MOVABLE | GFP_PRIVATE;
const LARGE_GFP = (SMALL_GFP & ~__GFP_RECLAIM) | GFP_TRANSHUGE;

/** The region in the driver's care. */
interface Bound {
  readonly memdev: CxlMemdev;
  readonly region: CxlRegion;
  readonly nid: number;
  /** Did the driver make it? Then it also destroys it. */
  readonly isCreated: boolean;
  /** The memory could not be taken away, but the ops are cleared. */
  readonly isCleared: boolean;
}

/**
 * The sample driver of RFC v4 patch 26 (cxl_mempolicy): memory like DRAM, that only an explicit
 * policy or move reaches. No compression, no write protection.
 *
 * States: none --probe--> bound --remove--> none.
 */
@injectable()
export class CxlMempolicy {
  private bound: Bound | null = null;
  private readonly ops: NodePrivateOps;

  constructor(
    @inject(CxlSysramsToken) private readonly sysrams: CxlSysrams,
    @inject(PrivateHotplugToken) private readonly hotplug: PrivateHotplug,
    @inject(NodePrivateToken) private readonly nodePrivate: NodePrivate,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
  ) {
    this.ops = {
      flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
      migrate_to: (list, nid, mode, reason) => {
        const newFolio = (src: number): number => this.newFolio(nid, this.table.order[src] ?? 0);
        return this.migrate.migratePages(list, { newFolio, mode, reason }).rc;
      },
      folio_migrate: () => {},
    };
  }

  /**
   * Takes the first of up to eight committed RAM regions that works, or makes one.
   * @returns 0, also if the device has no RAM; -ENOSPC no room for a region; or why the new region
   *   did not work, and then it is gone again
   */
  probe(memdev: CxlMemdev): number {
    for (const region of memdev.ramRegions()) {
      if (this.start(memdev, region, 'found') === 0) return 0;
    }
    const made = memdev.createRegion();
    if (made === -ENODEV) return 0;
    if (typeof made === 'number') return made;
    const rc = this.start(memdev, made, 'created');
    if (rc < 0) memdev.destroyRegion(made);
    return rc;
  }

  /**
   * The ops are cleared first, so pages that are on the node can't leave it any more.
   * @returns 0, or why the memory stays; then the region stays too
   */
  remove(): number {
    const { bound } = this;
    if (bound === null) return 0;
    const { memdev, region, nid, isCreated } = bound;
    if (!bound.isCleared) {
      const cleared = this.nodePrivate.node_private_clear_ops(nid, this.ops);
      if (cleared < 0) return cleared;
    }
    const rc = this.sysrams.unregister(region);
    this.bound = rc < 0 ? { ...bound, isCleared: true } : null;
    if (rc === 0 && isCreated) memdev.destroyRegion(region);
    return rc;
  }

  /** The region that it serves, or null. */
  region(): CxlRegion | null {
    return this.bound?.region ?? null;
  }

  /** What could not be plugged does not work: it may be another driver's node. */
  private start(memdev: CxlMemdev, region: CxlRegion, origin: 'found' | 'created'): number {
    const privately = { hotplug: this.hotplug, np: 'embedded' } as const;
    const added = this.sysrams.devm_cxl_add_sysram(region, 'online_movable', privately);
    if (added < 0) return added;
    const sysram = this.sysrams.cxl_region_find_sysram(region);
    const nid = sysram?.nid ?? -1;
    const isOurs = sysram?.isPlugged === true;
    const rc = isOurs ? this.nodePrivate.node_private_set_ops(nid, this.ops) : -ENODEV;
    if (rc < 0) this.sysrams.unregister(region);
    else this.bound = { memdev, region, nid, isCreated: origin === 'created', isCleared: false };
    return rc;
  }

  private newFolio(nid: number, order: number): number {
    const gfp = order > 0 ? LARGE_GFP : SMALL_GFP;
    return this.zoneAlloc.alloc({ gfp, order, nid, nodemask: null });
  }
}
export const CxlMempolicyToken = createToken<CxlMempolicy>('CxlMempolicy');

/**
 * Plugin: a memory device under the sample driver, or a modelled device whose one region is all of
 * a node. Needs `nodePrivate()`.
 *
 * @throws MmError DEVICE_BAD_OPTION; NODE_REFUSED, at probe and remove
 */
export function cxlMempolicy(options: CxlMemdevOptions | DriverOptions): Plugin {
  const name = 'cxl-mempolicy';
  const check = new OptionCheck(name);
  if ('nid' in options) checkDriver(check, options);
  else checkMemdev(check, options);
  return {
    name,
    register(services) {
      services.bind(CxlSysramsToken, CxlSysrams);
      services.bind(CxlMempolicyToken, CxlMempolicy);
    },
    probe(services) {
      mustSucceed(name, services.get(CxlMempolicyToken).probe(memdevOf(services, options)));
    },
    remove: (services) => mustSucceed(name, services.get(CxlMempolicyToken).remove()),
  };
}

function memdevOf(services: Services, options: CxlMemdevOptions | DriverOptions): CxlMemdev {
  if (!('nid' in options)) return new CxlMemdev(options);
  const device = services.get(deviceToken(options.device ?? 'cxl0'));
  const region = regionOfNode(services.get(NodesToken), options.nid, device);
  return new CxlMemdev({ ramPages: region.hpa?.pages ?? 0, regions: [region] });
}
