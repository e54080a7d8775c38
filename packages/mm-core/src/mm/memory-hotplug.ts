import { EBUSY, EEXIST, EINVAL } from '../abi/errno.js';
import { N_MEMORY, N_MEMORY_PRIVATE, N_ONLINE } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import type { MemoryDevice } from '../hooks/memory-device.js';
import type { Owner } from '../hooks/owner.js';
import { Sites } from '../hooks/sites.js';
import { addFreeRange, removeAllFree } from '../mem/buddy.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { Pgdat } from '../mem/pgdat.js';
import type { Zone } from '../mem/zone.js';
import { buildAllZonelists } from '../mem/zonelist.js';
import { type Cpusets, CpusetsToken } from './cpuset.js';
import { type Folios, FoliosToken } from './folio.js';
import { type InterleaveWeights, InterleaveWeightsToken } from './interleave-weights.js';
import { type Kcompactd, KcompactdToken } from './kcompactd.js';
import { type Kswapd, KswapdToken } from './kswapd.js';
import { type MemoryTiers, MemoryTiersToken } from './memory-tiers.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type MigrateRange, MigrateRangeToken } from './migrate-range.js';
import { type Watermarks, WatermarksToken } from './watermarks.js';

/** Passes of evacuation before offlining gives up; the kernel goes on until a signal. */
const OFFLINE_PASSES_MAX = 8;

/** Told when a node got its first ordinary memory or lost its last. */
export type NodeListener = (nid: number, present: boolean) => void;

/**
 * Memory of whole nodes coming and going (mm/memory_hotplug.c:online_pages, offline_pages).
 * Simplified: a node's range is plugged as one block, into its one zone.
 */
@injectable()
export class MemoryHotplug {
  private readonly onlineSite = Sites.index('memory_hotplug.online_pages');
  private readonly addSite = Sites.index('memory_hotplug.add_memory_resource');
  private readonly offlineSite = Sites.index('memory_hotplug.offline_pages');
  private readonly listeners: NodeListener[] = [];
  private cpusAreUp = false;
  /** The zones that the zonelists were built of. */
  private listed = '';

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(MigrateRangeToken) private readonly migrateRange: MigrateRange,
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
    @inject(KswapdToken) private readonly kswapd: Kswapd,
    @inject(KcompactdToken) private readonly kcompactd: Kcompactd,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(WatermarksToken) private readonly watermarks: Watermarks,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
    @inject(InterleaveWeightsToken) private readonly weights: InterleaveWeights,
  ) {}

  /**
   * Brings the range of a node online: N_MEMORY_PRIVATE if it is registered so, without daemons;
   * N_MEMORY with kswapd otherwise.
   * @param device what backs the range, or null for plain memory; if it refuses to, it throws and
   *   the node is as it was
   * @param adder whose memory it is; null: ordinary
   * @returns 0, -EINVAL for an unknown node, -EBUSY if it has memory already, or is another's and
   *   that is heeded (`SpecialRules.hotAddGuarded`), -EEXIST if a page map
   *   has its range (register_memory_resource)
   */
  onlinePages(nid: number, device: MemoryDevice | null, adder: Owner | null = null): number {
    if (!this.nodes.exists(nid)) return -EINVAL;
    if (!this.takesMemoryOf(nid, adder)) return -EBUSY;
    const pgdat = this.nodes.pgdat(nid);
    if (pgdat.managedPages() > 0) return -EBUSY;
    if (!this.managed.range_may_be_onlined(this.onlineSite, nid, pgdat.base)) return -EEXIST;
    device?.attach({ nid, base: pgdat.base, pages: pgdat.spannedPages });
    pgdat.device = device;
    if (device !== null) pgdat.setSpeed(device);
    for (const zone of pgdat.zones) this.freeBootMemory(zone);
    const isPrivate = this.comesApart(nid);
    if (isPrivate) this.managed.claimForNode(nid, pgdat.base, pgdat.spannedPages);
    this.nodes.setState(nid, N_ONLINE);
    this.nodes.setState(nid, isPrivate ? N_MEMORY_PRIVATE : N_MEMORY);
    this.rebuild();
    if (!isPrivate) this.startDaemons(nid);
    if (!isPrivate) this.tell(nid, true);
    return 0;
  }

  /** May memory of this owner (null: ordinary) be plugged into the node? */
  takesMemoryOf(nid: number, adder: Owner | null): boolean {
    return this.managed.node_takes_memory_of(this.addSite, nid, adder);
  }

  /** Is what comes online on the node set apart (pgdat->private)? */
  comesApart(nid: number): boolean {
    return this.managed.node_is_private(this.onlineSite, nid);
  }

  /** From now on the listener hears of nodes that enter and leave N_MEMORY (node notifier). */
  subscribe(listener: NodeListener): void {
    this.listeners.push(listener);
  }

  /**
   * The pages of an online node changed: enters or leaves N_MEMORY with its first or last page, and
   * all that follows (node_set_state in online_pages, node_clear_state in offline_pages, daemons).
   * A node that is registered as private enters N_MEMORY_PRIVATE, whoever plugged it, and gets no
   * daemons; a kswapd that its service started ends with the last page.
   */
  memoryChanged(nid: number): void {
    const isPrivate = this.comesApart(nid);
    const state = isPrivate ? N_MEMORY_PRIVATE : N_MEMORY;
    const has = this.nodes.pgdat(nid).managedPages() > 0;
    const had = this.nodes.hasState(nid, state);
    if (has) this.nodes.setState(nid, state);
    else this.nodes.clearState(nid, state);
    this.rebuild();
    if (has === had) return;
    if (!has) this.stopDaemons(nid);
    else if (!isPrivate) this.startDaemons(nid);
    if (!isPrivate) this.tell(nid, has);
  }

  private startDaemons(nid: number): void {
    this.kswapd.start(nid);
    this.kcompactd.start(nid);
  }

  private stopDaemons(nid: number): void {
    this.kswapd.stop(nid);
    this.kcompactd.stop(nid);
  }

  private tell(nid: number, present: boolean): void {
    for (const listener of this.listeners) listener(nid, present);
  }

  /**
   * Empties the node by migration and takes its memory away.
   * @returns 0, or -EBUSY if something stays (then the node is as it was, but for what moved)
   */
  offlinePages(nid: number): number {
    const pgdat = this.nodes.pgdat(nid);
    if (pgdat.managedPages() === 0) return -EINVAL;
    if (this.isLastMemory(nid)) return -EBUSY;
    const isPrivate = this.managed.node_is_private(this.offlineSite, nid);
    const state = isPrivate ? N_MEMORY_PRIVATE : N_MEMORY;
    this.nodes.clearState(nid, state);
    this.rebuildZonelists();
    for (let pass = 0; pass < OFFLINE_PASSES_MAX && !isEmpty(pgdat); pass++) {
      this.migrate.waitForBatches();
      this.folios.lruAddDrainAll();
      for (const zone of pgdat.zones) {
        this.migrateRange.run(nid, { base: zone.base, pages: zone.spannedPages });
      }
      this.folios.lruAddDrainAll();
    }
    if (!isEmpty(pgdat)) {
      this.nodes.setState(nid, state);
      this.rebuild();
      return -EBUSY;
    }
    for (const zone of pgdat.zones) removeAllFree(this.table, zone);
    if (isPrivate) this.managed.claim(null, pgdat.base, pgdat.spannedPages);
    this.stopDaemons(nid);
    pgdat.device?.detach();
    pgdat.device = null;
    this.nodes.clearState(nid, N_ONLINE);
    this.rebuild();
    if (!isPrivate) this.tell(nid, false);
    return 0;
  }

  /** The last ordinary memory holds the kernel, which this model does not place. */
  private isLastMemory(nid: number): boolean {
    const nodes = this.nodes.inState(N_MEMORY);
    return nodes.length === 1 && nodes[0] === nid;
  }

  /** memblock_free_all: everything but what the kernel took. */
  private freeBootMemory(zone: Zone): void {
    const taken = zone.absentPages + zone.kernelPages;
    this.table.reserve(zone.base, taken);
    zone.managedPages += zone.kernelPages;
    addFreeRange(this.table, zone, zone.base + taken, zone.spannedPages - taken);
  }

  /**
   * Zonelists, marks, tiers and cpusets after a node changed; hopeless kswapds get another chance.
   */
  rebuild(): void {
    for (const pgdat of this.nodes.all()) pgdat.kswapd.failures = 0;
    this.rebuildZonelists();
    this.watermarks.recompute();
    this.tiers.refresh();
    this.weights.refresh();
    this.cpusets.handleHotplug();
  }

  /**
   * The boot is over. Its zonelists knew of no CPU; memory that was plugged in it came after the
   * CPUs and had them built anew.
   */
  bootEnded(hasPlugged: boolean): void {
    this.cpusAreUp = true;
    if (hasPlugged) buildAllZonelists(this.nodes, this.managed, true);
  }

  /** Only a zone that gets its first page or loses its last has zonelists built anew. */
  private rebuildZonelists(): void {
    const zones = [...this.nodes.all()].flatMap(({ nid, zones: of }) => {
      const states = [N_MEMORY, N_MEMORY_PRIVATE].map((state) => this.nodes.hasState(nid, state));
      const names = of.filter((zone) => zone.managedPages > 0).map(({ name }) => name);
      return [nid, ...states, ...names];
    });
    const listed = zones.join(' ');
    if (listed === this.listed) return;
    this.listed = listed;
    buildAllZonelists(this.nodes, this.managed, this.cpusAreUp);
  }
}
export const MemoryHotplugToken = createToken<MemoryHotplug>('MemoryHotplug');

function isEmpty(pgdat: Pgdat): boolean {
  return pgdat.unusedPages() === pgdat.managedPages();
}
