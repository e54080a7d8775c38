import {
  createToken,
  EBUSY,
  inject,
  injectable,
  type Managed,
  ManagedToken,
  type MemoryDevice,
  type MemoryHotplug,
  MemoryHotplugToken,
  type Nodes,
  NodesToken,
} from '@mm-lab/mm-core';
import { type NodePrivate, type NodePrivateInfo, NodePrivateToken } from './node-private.js';

/**
 * Hotplug of private memory (RFC v4 patch 22, mm/memory_hotplug.c). Simplified: a node has one
 * range, plugged and online in one step.
 */
@injectable()
export class PrivateHotplug {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MemoryHotplugToken) private readonly hotplug: MemoryHotplug,
    @inject(NodePrivateToken) private readonly nodePrivate: NodePrivate,
  ) {}

  /**
   * Registers, then brings the range online as N_MEMORY_PRIVATE; unregisters again if that fails.
   * @param device what backs the range, or null
   * @returns 0 or -errno of the step that failed
   */
  add_private_memory_driver_managed(
    nid: number,
    np: NodePrivateInfo,
    device: MemoryDevice | null,
  ): number {
    const registered = this.nodePrivate.node_private_register(nid, np);
    if (registered < 0) return registered;
    const pgdat = this.nodes.pgdat(nid);
    if (pgdat.managedPages() > 0) return -EBUSY;
    const owner = this.nodePrivate.ownerOfNode(nid);
    this.managed.claim(owner, pgdat.base, pgdat.spannedPages);
    const rc = this.hotplug.onlinePages(nid, device);
    if (rc === 0) return 0;
    this.managed.claim(null, pgdat.base, pgdat.spannedPages);
    this.nodePrivate.node_private_unregister(nid);
    return rc;
  }

  /**
   * Evacuates and removes the node's memory, then unregisters it.
   * @returns 0; -EBUSY if pages stay (the node stays registered)
   */
  offline_and_remove_private_memory(nid: number): number {
    const rc = this.hotplug.offlinePages(nid);
    if (rc < 0) return rc;
    const pgdat = this.nodes.pgdat(nid);
    this.managed.claim(null, pgdat.base, pgdat.spannedPages);
    return this.nodePrivate.node_private_unregister(nid);
  }
}
export const PrivateHotplugToken = createToken<PrivateHotplug>('PrivateHotplug');
