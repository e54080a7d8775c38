import {
  assert,
  createToken,
  EBUSY,
  EINVAL,
  ENODEV,
  inject,
  injectable,
  type Kswapd,
  KswapdToken,
  MAX_NUMNODES,
  type MemoryTiers,
  MemoryTiersToken,
  N_MEMORY_PRIVATE,
  type Nodes,
  NodesToken,
  Tracepoints,
  type Warnings,
  WarningsToken,
  type ZoneAlloc,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import {
  type NodePrivate,
  type NodePrivateOps,
  NodePrivateToken,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
} from '@mm-lab/node-private';
import { type CramEntry, CramEntryToken } from './entry.js';
import { type CramFree, CramFreeToken, type FlushCallback } from './free.js';
import { CRAM_PRESSURE_MAX, type CramNode, isClosed } from './node.js';
import { type WritablePages, WritablePagesToken } from './policy/writable-pages.js';
import { type CramPromotion, CramPromotionToken } from './promotion.js';

/** The opt-ins of a CRAM node (mm/cram.c): not MEMPOLICY, COMPACTION or LONGTERM_PIN. */
export const CRAM_FLAGS =
  NP_OPS_MIGRATION |
  NP_OPS_DEMOTION |
  NP_OPS_NUMA_BALANCING |
  NP_OPS_PROTECT_WRITE |
  NP_OPS_RECLAIM;

/**
 * Compressed RAM as a service on private nodes (RFC v4 patch 23, mm/cram.c). Pages come in by
 * demotion, mapped read-only; a store moves its folio back to DRAM; the driver says how full the
 * device really is by one number, the pressure. CRAM knows no device: whoever registers a node
 * does.
 */
@injectable()
export class Cram {
  private readonly byNode = new Map<number, { node: CramNode; ops: NodePrivateOps }>();

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(NodePrivateToken) private readonly nodePrivate: NodePrivate,
    @inject(CramEntryToken) private readonly entry: CramEntry,
    @inject(CramPromotionToken) private readonly promotion: CramPromotion,
    @inject(CramFreeToken) private readonly free: CramFree,
    @inject(WritablePagesToken) private readonly writable: WritablePages,
    @inject(KswapdToken) private readonly kswapd: Kswapd,
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(WarningsToken) private readonly warnings: Warnings,
  ) {}

  /**
   * Puts a private node under CRAM's care: sets its ops, starts its kswapd, makes it a demotion
   * target.
   * @param owner whose node it is; the same owner may register again
   * @param flush how to scrub freed pages; null: CRAM zeroes them
   * @returns 0; in this order -EINVAL not a private node, -EBUSY another owner's, or the error of
   *   set_ops
   */
  cram_register_private_node(nid: number, owner: object, flush: FlushCallback | null): number {
    if (!this.nodes.exists(nid) || !this.nodes.hasState(nid, N_MEMORY_PRIVATE)) return -EINVAL;
    const known = this.byNode.get(nid);
    if (known !== undefined) return known.node.owner === owner ? 0 : -EBUSY;
    const counts = { promotions: 0, refused: 0, notAdmitted: 0, refusedFiles: 0 };
    const gates = { pressure: 0, purged: false, withdrawn: false, converging: false };
    const node: CramNode = { nid, owner, flush, ...gates, ...counts };
    const ops = this.opsOf(node);
    const rc = this.nodePrivate.node_private_set_ops(nid, ops);
    if (rc < 0) return rc;
    this.byNode.set(nid, { node, ops });
    this.kswapd.start(nid);
    this.tiers.refresh();
    return 0;
  }

  /**
   * Takes a node out of CRAM's care. Pages may still be on it: from now on they are ordinary pages
   * of a node without ops (the hazard of the posted teardown order: they can neither migrate nor
   * are their writes caught). What the last pressure did stays with the node too: the boost of its
   * watermarks, and at full pressure the block, until somebody who registered it anew reports.
   * @returns 0; -EINVAL no number of a node; -ENODEV not registered
   */
  cram_unregister_private_node(nid: number): number {
    if (!isNid(nid)) return -EINVAL;
    const known = this.byNode.get(nid);
    if (known === undefined) return -ENODEV;
    this.cram_set_no_alloc(nid, 'open');
    this.setConverging(nid, false);
    this.kswapd.stop(nid);
    const rc = this.nodePrivate.node_private_clear_ops(nid, known.ops);
    if (rc < 0) this.warnings.warn('cram_unregister_private_node');
    this.byNode.delete(nid);
    this.writable.dropNode(nid);
    this.tiers.refresh();
    return 0;
  }

  /**
   * Marks a node that is being torn down: `migrate_to` says -ENODEV from now on. The text of patch
   * 23 speaks of such a mark; nothing in the posted series sets it (divergence D11).
   * @returns 0; -EINVAL no number of a node; -ENODEV not registered
   */
  cram_purge(nid: number): number {
    return this.setPurged(nid, true);
  }

  /** Takes the mark back. @returns 0; -EINVAL no number of a node; -ENODEV not registered */
  cram_unpurge(nid: number): number {
    return this.setPurged(nid, false);
  }

  private setPurged(nid: number, purged: boolean): number {
    if (!isNid(nid)) return -EINVAL;
    const node = this.byNode.get(nid)?.node;
    if (node === undefined) return -ENODEV;
    node.purged = purged;
    return 0;
  }

  /**
   * How much of the node must be free, 0..1000: raises its watermarks by that share, so that kswapd
   * evicts; at 1000 nothing may come in at all. Stays until it is changed. Unknown nodes are
   * ignored.
   */
  cram_set_pressure(nid: number, pressure: number): void {
    const node = this.byNode.get(nid)?.node;
    if (node === undefined) return;
    assert(!Number.isNaN(pressure), 'a pressure is a number');
    node.pressure = Math.min(CRAM_PRESSURE_MAX, Math.max(0, Math.trunc(pressure)));
    this.updateGate(node);
    const zone = this.nodes.pgdat(nid).zones.find((candidate) => candidate.managedPages > 0);
    if (zone === undefined) return;
    zone.watermarkBoost = Math.floor((zone.managedPages * node.pressure) / CRAM_PRESSURE_MAX);
    if (zone.watermarkBoost > 0) this.zoneAlloc.wakeupKswapd(nid, 0);
    const tp = this.tracepoints.node_pressure;
    if (tp.enabled) tp.emit(nid, node.pressure);
    this.writable.underPressure(nid, node.pressure);
  }

  cram_clear_pressure(nid: number): void {
    this.cram_set_pressure(nid, 0);
  }

  /**
   * Withdraws the node's zone from whoever wants to put folios there, or gives it back; what is
   * there stays (the later trees' `cram_set_no_alloc`). Sticky: nothing but this changes it.
   * Unknown nodes are ignored.
   */
  cram_set_no_alloc(nid: number, gate: 'withdrawn' | 'open'): void {
    const node = this.byNode.get(nid)?.node;
    if (node === undefined) return;
    node.withdrawn = gate === 'withdrawn';
    this.updateGate(node);
  }

  /** Lets nothing in while a balloon converges (`converge_block`), whatever the driver says. */
  setConverging(nid: number, converging: boolean): void {
    const node = this.byNode.get(nid)?.node;
    if (node === undefined) return;
    node.converging = converging;
    this.updateGate(node);
  }

  /** The nearest node that takes folios now, or -1 (the later trees' cram_pick_node). */
  pickNode(nid: number): number {
    let best = -1;
    for (const [candidate, { node }] of this.byNode) {
      if (isClosed(node)) continue;
      const nearer =
        best < 0 || this.nodes.distance(nid, candidate) < this.nodes.distance(nid, best);
      if (nearer) best = candidate;
    }
    return best;
  }

  /** Is the node CRAM's? */
  has(nid: number): boolean {
    return this.byNode.has(nid);
  }

  /** Is the node's zone withdrawn? */
  isWithdrawn(nid: number): boolean {
    return this.byNode.get(nid)?.node.withdrawn ?? false;
  }

  private updateGate(node: CramNode): void {
    const owner = this.nodePrivate.ownerOfNode(node.nid);
    if (owner !== null) owner.migrationBlocked = isClosed(node);
  }

  /** Pressure of a node; 0 if it is not CRAM's. */
  pressureOf(nid: number): number {
    return this.byNode.get(nid)?.node.pressure ?? 0;
  }

  /** Counters over all nodes. */
  stats(): Readonly<Record<string, number>> {
    const nodes = [...this.byNode.values()].map(({ node }) => node);
    return {
      'cram.promotions': nodes.reduce((sum, node) => sum + node.promotions, 0),
      'cram.refused': nodes.reduce((sum, node) => sum + node.refused, 0),
      'cram.not_admitted': nodes.reduce((sum, node) => sum + node.notAdmitted, 0),
      'cram.refused_files': nodes.reduce((sum, node) => sum + node.refusedFiles, 0),
    };
  }

  private opsOf(node: CramNode): NodePrivateOps {
    return {
      flags: CRAM_FLAGS,
      handle_fault: (folio, vmf) => this.promotion.handleFault(node, folio, vmf),
      migrate_to: (folios, nid, mode, reason) => {
        return this.entry.migrateTo(node, folios, { nid, mode, reason });
      },
      folio_migrate: (src) => this.writable.forget(node.nid, src),
      free_folio: (folio) => {
        this.writable.forget(node.nid, folio);
        return this.free.freeFolio(node, folio);
      },
      reclaim_policy: (_nid, policy) => {
        policy.may_swap = true;
        policy.may_writepage = true;
        policy.managed_watermarks = true;
      },
    };
  }
}
export const CramToken = createToken<Cram>('Cram');

/** cram_valid_nid: may a node have this number? */
function isNid(nid: number): boolean {
  return nid >= 0 && nid < MAX_NUMNODES;
}
