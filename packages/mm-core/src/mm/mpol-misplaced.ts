import {
  MPOL_BIND,
  MPOL_F_MOF,
  MPOL_F_MORON,
  MPOL_PREFERRED_MANY,
  NUMA_NO_NODE,
} from '../abi/mempolicy.js';
import { N_MEMORY } from '../abi/node-states.js';
import { NUMA_BALANCING_MEMORY_TIERING } from '../abi/numa-balancing.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { Policy } from '../mem/policy.js';
import type { FaultContext } from './fault-context.js';
import { type MemoryTiers, MemoryTiersToken } from './memory-tiers.js';
import { type NumaPromotion, NumaPromotionToken } from './numa-promotion.js';
import { type PolicyNodes, PolicyNodesToken } from './policy-nodes.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

/**
 * Is a folio that was just accessed where it should be (mm/mempolicy.c:mpol_misplaced)? Simplified:
 * tasks are single, so there are no groups and no preferred node of a task.
 */
@injectable()
export class MpolMisplaced {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PolicyNodesToken) private readonly policyNodes: PolicyNodes,
    @inject(NumaPromotionToken) private readonly promotion: NumaPromotion,
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @returns the node that it should go to, or NUMA_NO_NODE */
  nodeFor(vmf: FaultContext, folio: number): number {
    const order = this.table.order[folio]!;
    const { policy } = this.policyNodes.policyOf({ vma: vmf.vma, vpn: vmf.vpn, order });
    const current = this.nodes.nidOf(folio);
    if (!mayMoveHere(policy, vmf.nid) || current === vmf.nid) return NUMA_NO_NODE;
    return this.shouldMigrate(folio, current, vmf.nid) ? vmf.nid : NUMA_NO_NODE;
  }

  /** should_numa_migrate_memory. */
  private shouldMigrate(folio: number, source: number, nid: number): boolean {
    if (!this.nodes.hasState(nid, N_MEMORY)) return false;
    const tiering = (this.sysctl.numa_balancing & NUMA_BALANCING_MEMORY_TIERING) !== 0;
    const isTop = this.tiers.isTopTier(source);
    if (tiering && !isTop) return this.promotion.shouldPromote(folio, nid);
    const last = this.table.lastCpupid[folio]!;
    this.table.lastCpupid[folio] = (this.work.current?.pid ?? 0) + 1;
    // A time of the tiering mode may stand there, or nothing: no word on who used the folio.
    return isTop || last !== 0;
  }
}
export const MpolMisplacedToken = createToken<MpolMisplaced>('MpolMisplaced');

/** Does a policy let pages follow the CPU to `nid`? No policy is that of the CPU's node. */
function mayMoveHere(policy: Policy | null, nid: number): boolean {
  if (policy === null) return true;
  if ((policy.flags & MPOL_F_MOF) === 0 || (policy.flags & MPOL_F_MORON) === 0) return false;
  const isSet = policy.mode === MPOL_BIND || policy.mode === MPOL_PREFERRED_MANY;
  return isSet && policy.nodes.has(nid);
}
