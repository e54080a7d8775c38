import { EINVAL } from '../abi/errno.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';

/** The node of a hot-add is the number of a memory group (include/linux/memory_hotplug.h). */
export const MHP_NID_IS_MGID = 1 << 2;

/**
 * Groups of ranges that one device plugs (drivers/base/memory.c: memory_group_register_static).
 * Simplified: a group is no more than its node. Nothing counts its pages, and it has no say in
 * which zone they go online.
 */
@injectable()
export class MemoryGroups {
  private readonly nidById = new Map<number, number>();
  private lastId = 0;

  constructor(@inject(NodesToken) private readonly nodes: Nodes) {}

  /** @returns the number of a new group; -EINVAL no such node */
  registerStatic(nid: number): number {
    if (!this.nodes.exists(nid)) return -EINVAL;
    this.lastId++;
    this.nidById.set(this.lastId, nid);
    return this.lastId;
  }

  /** @returns 0; -EINVAL no such group */
  unregister(mgid: number): number {
    return this.nidById.delete(mgid) ? 0 : -EINVAL;
  }

  /** Node of a group; -EINVAL if there is none of that number (memory_group_find_by_id). */
  nidOf(mgid: number): number {
    return this.nidById.get(mgid) ?? -EINVAL;
  }
}
export const MemoryGroupsToken = createToken<MemoryGroups>('MemoryGroups');
