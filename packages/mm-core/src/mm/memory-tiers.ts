import { N_CPU, N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_DEMOTION } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { AccessCoordinate, Pgdat } from '../mem/pgdat.js';
import { nextBestNode } from '../mem/zonelist.js';
import { CostModel } from './cost-model.js';

/** Abstract distance of DRAM and width of a tier (include/linux/memory-tiers.h). */
export const MEMTIER_ADISTANCE_DRAM = 576;
const MEMTIER_CHUNK_BITS = 7;

/** One tier: its sysfs number and its nodes. */
export interface MemoryTier {
  readonly tier: number;
  readonly nodes: readonly number[];
}

/** Performance that differs more than this share from the reference spoils it. */
const DRAM_PERF_TOLERANCE = 0.1;

/**
 * Memory tiers and demotion targets (mm/memory-tiers.c). The abstract distance of a node is what
 * HMAT's numbers give, or what it was given, or, of a machine without HMAT, DRAM's times the ratio
 * of its latency to DRAM's.
 */
@injectable()
export class MemoryTiers {
  private readonly targetSite = Sites.index('memory-tiers.establish_demotion_targets');
  private readonly tierSite = Sites.index('memory-tiers.set_node_memory_tier');
  private tierByNode = new Map<number, number>();
  private preferredByNode = new Map<number, number[]>();
  private lowerByNode = new Map<number, Set<number>>();

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(CostModel) private readonly cost: CostModel,
  ) {}

  /** Tier number of a node (abstract distance >> 7): smaller is faster; -1 without memory. */
  tierOf(nid: number): number {
    return this.tierByNode.get(nid) ?? -1;
  }

  /** Is the node in the fastest tier that has a CPU, or faster (node_is_toptier)? */
  isTopTier(nid: number): boolean {
    const withCpu = [...this.tierByNode].filter(([id]) => this.nodes.hasState(id, N_CPU));
    const top = Math.max(-1, ...withCpu.map(([, tier]) => tier));
    return top < 0 || this.tierOf(nid) <= top;
  }

  /** Nodes of lower tiers that a node may demote to (lower_tier_mask). */
  lowerTierMask(nid: number): ReadonlySet<number> {
    return this.lowerByNode.get(nid) ?? new Set();
  }

  /**
   * The preferred target, or -1 (next_demotion_node): nearest of the next tier, first of equals.
   */
  nextDemotionNode(nid: number): number {
    return this.preferredByNode.get(nid)?.[0] ?? -1;
  }

  /** Every preferred target: the nodes of the next tier that are nearest (node_demotion). */
  preferredOf(nid: number): readonly number[] {
    return this.preferredByNode.get(nid) ?? [];
  }

  /**
   * The nearest node to `nid` among `candidates`, or -1 (find_next_best_node). Simplified: of
   * equals the lower number wins, whatever load the last zonelists left (node_load).
   */
  nearestOf(nid: number, candidates: ReadonlySet<number>): number {
    return candidates.size === 0 ? -1 : nextBestNode(this.nodes, nid, candidates);
  }

  /** Gives each node its tier and rebuilds the targets (memory_tier_refresh_demotion). */
  refresh(): void {
    this.tierByNode = new Map();
    for (const pgdat of this.nodes.all()) {
      const ordinary = this.nodes.hasState(pgdat.nid, N_MEMORY);
      const isPrivate =
        this.managed.node_is_private(this.tierSite, pgdat.nid) &&
        this.nodes.hasState(pgdat.nid, N_MEMORY_PRIVATE);
      if (!ordinary && !isPrivate) continue;
      this.tierByNode.set(pgdat.nid, this.adistance(pgdat) >> MEMTIER_CHUNK_BITS);
    }
    this.establishDemotionTargets();
  }

  /** Tiers in use, fastest first, with their nodes (/sys/devices/virtual/memory_tiering). */
  tiers(): MemoryTier[] {
    const numbers = [...new Set(this.tierByNode.values())].sort((a, b) => a - b);
    return numbers.map((tier) => {
      const nodes = [...this.tierByNode].filter(([, of]) => of === tier).map(([nid]) => nid);
      return { tier, nodes: nodes.sort((a, b) => a - b) };
    });
  }

  private adistance(pgdat: Pgdat): number {
    if (pgdat.adistance !== null) return pgdat.adistance;
    if (pgdat.perf !== null) return this.perfToAdistance(pgdat, pgdat.perf);
    return Math.floor((MEMTIER_ADISTANCE_DRAM * pgdat.lineNs) / this.cost.ns.dramLine);
  }

  /**
   * In integers, from left to right (mt_perf_to_adistance). A node plugged in during the boot got
   * its type before HMAT was read, so it is DRAM.
   */
  private perfToAdistance(pgdat: Pgdat, perf: AccessCoordinate): number {
    const dram = this.dramPerf();
    if (dram === null || pgdat.hotpluggedOnly) return MEMTIER_ADISTANCE_DRAM;
    const latency = Math.floor(
      (MEMTIER_ADISTANCE_DRAM * (perf.read_latency + perf.write_latency)) /
        (dram.read_latency + dram.write_latency),
    );
    return Math.floor(
      (latency * (dram.read_bandwidth + dram.write_bandwidth)) /
        (perf.read_bandwidth + perf.write_bandwidth),
    );
  }

  /** That of the first CPU node; null if another CPU node is no like (mt_set_default_dram_perf). */
  private dramPerf(): AccessCoordinate | null {
    const ofCpus = [...this.nodes.all()].filter(({ cpus, perf }) => cpus > 0 && perf !== null);
    const perfs = ofCpus.flatMap(({ perf }) => perf ?? []);
    const first = perfs[0] ?? null;
    if (first === null) return null;
    return perfs.every((perf) => alike(perf, first)) ? first : null;
  }

  /** Only N_MEMORY nodes get targets, so a private node is a terminal tier (patch 14). */
  private establishDemotionTargets(): void {
    this.preferredByNode = new Map();
    this.lowerByNode = new Map();
    const candidates = [...this.tierByNode.keys()].filter((nid) =>
      this.managed.node_allows(this.targetSite, nid, GRANT_DEMOTION),
    );
    for (const nid of this.nodes.inState(N_MEMORY)) {
      const own = this.tierOf(nid);
      const lower = new Set(candidates.filter((other) => this.tierOf(other) > own));
      this.lowerByNode.set(nid, lower);
      const nextTier = Math.min(...[...lower].map((other) => this.tierOf(other)));
      const next = new Set([...lower].filter((other) => this.tierOf(other) === nextTier));
      this.preferredByNode.set(nid, this.allNearest(nid, next));
    }
  }

  private allNearest(nid: number, candidates: ReadonlySet<number>): number[] {
    const first = this.nearestOf(nid, candidates);
    if (first < 0) return [];
    const distance = this.nodes.distance(nid, first);
    const equals = [...candidates].filter(
      (other) => other !== first && this.nodes.distance(nid, other) === distance,
    );
    return [first, ...equals.sort((a, b) => a - b)];
  }
}
function alike(perf: AccessCoordinate, reference: AccessCoordinate): boolean {
  const names = ['read_latency', 'write_latency', 'read_bandwidth', 'write_bandwidth'] as const;
  return names.every((name) => {
    const difference = Math.abs(perf[name] - reference[name]);
    return difference <= reference[name] * DRAM_PERF_TOLERANCE;
  });
}
export const MemoryTiersToken = createToken<MemoryTiers>('MemoryTiers');
