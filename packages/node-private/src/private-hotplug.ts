import {
  createToken,
  EEXIST,
  EINVAL,
  EOPNOTSUPP,
  GRANT_RECLAIM,
  inject,
  injectable,
  type Kswapd,
  KswapdToken,
  type MemoryBlocks,
  MemoryBlocksToken,
  type MemoryDevice,
  type MemoryGroups,
  MemoryGroupsToken,
  type MemoryHotplug,
  MemoryHotplugToken,
  MHP_NID_IS_MGID,
  type Nodes,
  NodesToken,
  type OnlineType,
  type PfnRange,
} from '@mm-lab/mm-core';
import { NodePrivateConfig } from './config.js';
import { type NodePrivate, type NodePrivateInfo, NodePrivateToken } from './node-private.js';

/** A range that a driver adds to a node. */
export interface PrivateRange extends PfnRange {
  readonly onlineType: OnlineType;
  /** MHP_* bits; default none. */
  readonly mhpFlags?: number;
}

/**
 * Hotplug of private memory (RFC v4 patch 22, mm/memory_hotplug.c): memory block by memory block,
 * any number of ranges per node; or all that a node can have at once, which may be smaller than a
 * block and may be backed by a device. Simplified: one device backs a node, and only as a whole; of
 * the flags only MHP_NID_IS_MGID has an effect.
 */
@injectable()
export class PrivateHotplug {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MemoryHotplugToken) private readonly hotplug: MemoryHotplug,
    @inject(MemoryBlocksToken) private readonly blocks: MemoryBlocks,
    @inject(KswapdToken) private readonly kswapd: Kswapd,
    @inject(MemoryGroupsToken) private readonly groups: MemoryGroups,
    @inject(NodePrivateToken) private readonly nodePrivate: NodePrivate,
    @inject(NodePrivateConfig) private readonly config: NodePrivateConfig,
  ) {}

  /**
   * Registers, then brings all that the node can have online as N_MEMORY_PRIVATE; unregisters again
   * if that fails.
   * @param device what backs the node, or null
   * @returns 0; -EINVAL no np or no such node; -EBUSY ordinary memory or another driver's node;
   *   -EEXIST memory is there already
   */
  add_private_memory_driver_managed(
    nid: number,
    np: NodePrivateInfo | null,
    device: MemoryDevice | null,
  ): number {
    if (np === null) return -EINVAL;
    const registered = this.nodePrivate.node_private_register(nid, np);
    if (registered < 0) return registered;
    if (this.nodes.pgdat(nid).managedPages() > 0) return -EEXIST;
    const rc = this.hotplug.onlinePages(nid, device, this.nodePrivate.ownerOfNode(nid));
    if (rc < 0) this.nodePrivate.node_private_unregister(nid);
    else this.startDaemons(nid);
    return rc;
  }

  /** Where no service would start it, mm's own kswapd reclaims the node if it lets it. */
  private startDaemons(nid: number): void {
    const owner = this.nodePrivate.ownerOfNode(nid);
    if (owner?.entry === 'ordinary' && owner.allows(GRANT_RECLAIM)) this.kswapd.start(nid);
  }

  /**
   * The same for one range. If it fails the node is unregistered again, which other ranges of it
   * prevent.
   * @param where a node, or with MHP_NID_IS_MGID a memory group
   * @returns 0; -EINVAL no np, no such node or group, or a part of a block; -EBUSY ordinary memory
   *   or another driver's node; -EEXIST memory is there already
   */
  add_private_range(where: number, np: NodePrivateInfo | null, range: PrivateRange): number {
    if (np === null) return -EINVAL;
    const isGroup = ((range.mhpFlags ?? 0) & MHP_NID_IS_MGID) !== 0;
    const nid = isGroup ? this.groups.nidOf(where) : where;
    if (nid < 0) return nid;
    const registered = this.nodePrivate.node_private_register(nid, np);
    if (registered < 0) return registered;
    const owner = this.nodePrivate.ownerOfNode(nid);
    const rc = this.blocks.plug(nid, range, range.onlineType, owner);
    if (rc < 0) this.nodePrivate.node_private_unregister(nid);
    else if (range.onlineType !== 'offline') this.startDaemons(nid);
    return rc;
  }

  /**
   * Evacuates and removes the node's memory, then unregisters it.
   * @returns 0; -EINVAL no such node; -EBUSY if pages stay (the node stays registered);
   *   -EOPNOTSUPP without hot-remove
   */
  offline_and_remove_private_memory(nid: number): number {
    if (this.config.hotRemove === 'left out') return -EOPNOTSUPP;
    if (!this.nodes.exists(nid)) return -EINVAL;
    const rc = this.hotplug.offlinePages(nid);
    return rc < 0 ? rc : this.nodePrivate.node_private_unregister(nid);
  }

  /**
   * The same for one range.
   * @returns 0; the error of the block that stays, and the node stays registered; -EBUSY: the range
   *   is gone, but others keep the node registered; -EOPNOTSUPP without hot-remove
   */
  offline_and_remove_private_range(nid: number, range: PfnRange): number {
    if (this.config.hotRemove === 'left out') return -EOPNOTSUPP;
    const rc = this.blocks.offlineAndRemove(nid, range);
    return rc < 0 ? rc : this.nodePrivate.node_private_unregister(nid);
  }
}
export const PrivateHotplugToken = createToken<PrivateHotplug>('PrivateHotplug');
