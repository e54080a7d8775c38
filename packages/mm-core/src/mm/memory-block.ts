import { EBUSY, EEXIST, EHWPOISON, EINTR, EINVAL } from '../abi/errno.js';
import { N_CPU, N_ONLINE } from '../abi/node-states.js';
import { PG_hwpoison, PG_lru, PG_tail } from '../abi/page-flags.js';
import { ZONE_MOVABLE, ZONE_NORMAL } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import type { Owner } from '../hooks/owner.js';
import { addFreeRange } from '../mem/buddy.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { endIsolation, isolateRange, type PfnRange, undoIsolation } from '../mem/page-isolation.js';
import type { Zone } from '../mem/zone.js';
import { type Folios, FoliosToken } from './folio.js';
import { type MemoryFailure, MemoryFailureToken } from './memory-failure.js';
import { type MemoryHotplug, MemoryHotplugToken } from './memory-hotplug.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type MigrateRange, MigrateRangeToken } from './migrate-range.js';

/** Pages of a memory block: 128 MiB (memory_block_size_bytes). */
export const MEMORY_BLOCK_PAGES = 32768;

/** Words of a state file and of auto_online_blocks (online_type_to_str). */
export const ONLINE_TYPES = ['offline', 'online', 'online_kernel', 'online_movable'] as const;
export type OnlineType = (typeof ONLINE_TYPES)[number];

/** Passes of evacuation after which a signal ends the attempt; the kernel tries for ever. */
const OFFLINE_PASSES_MAX = 8;

/** One memory block (drivers/base/memory.c:struct memory_block). */
export interface MemoryBlock {
  /** Number in /sys/devices/system/memory. */
  readonly id: number;
  readonly nid: number;
  /** First page that is there, and pages that are. */
  readonly base: number;
  readonly pages: number;
  /** The zone its pages are in; null when it is offline, or when they are in several. */
  zone: Zone | null;
  online: boolean;
  /** The kernel keeps data in it, so it stays. */
  holdsKernel: boolean;
}

/** What a zone spanned when the boot was over. */
interface BootZone {
  readonly zone: Zone;
  readonly base: number;
  readonly pages: number;
  readonly hotplugged: boolean;
}

/**
 * The memory blocks of the machine and their state files (drivers/base/memory.c:state_store).
 *
 * State of a block: online --offline--> offline --online, online_kernel, online_movable--> online.
 * Simplified: where the kernel keeps data is not known page by page. It lies in the first and the
 * last block of each zone of boot memory and in the first block that becomes kernel memory of a
 * node without any.
 */
@injectable()
export class MemoryBlocks {
  private readonly byNode = new Map<number, readonly MemoryBlock[]>();
  private readonly bootZones: BootZone[] = [];
  /** /sys/devices/system/memory/auto_online_blocks. */
  autoOnline: OnlineType = 'online';
  /** Poisoned pages that left with their block. */
  pagesGone = 0;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(MigrateRangeToken) private readonly migrateRange: MigrateRange,
    @inject(MemoryHotplugToken) private readonly hotplug: MemoryHotplug,
    @inject(MemoryFailureToken) private readonly memoryFailure: MemoryFailure,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** Blocks of a node by number (/sys/devices/system/node/nodeN/memoryM). */
  of(nid: number): readonly MemoryBlock[] {
    const known = this.byNode.get(nid);
    if (known !== undefined) return known;
    const blocks = new Map<number, MemoryBlock>();
    for (const boot of this.bootZones) {
      if (boot.zone.nid === nid) addBlocks(blocks, boot);
    }
    const made = [...blocks.values()].sort(byId);
    this.byNode.set(nid, made);
    return made;
  }

  /**
   * Plugs a range into a node as offline blocks; the node is online from now on
   * (add_memory_resource).
   * @param adder whose memory it is; null: ordinary
   * @returns 0; -EINVAL for a part of a block; -EEXIST if there is memory already; -EBUSY if the
   *   node is another's and that is heeded (`SpecialRules.hotAddGuarded`)
   */
  add(nid: number, { base, pages }: PfnRange, adder: Owner | null = null): number {
    if (!this.hotplug.takesMemoryOf(nid, adder)) return -EBUSY;
    const known = this.of(nid);
    const whole = base % MEMORY_BLOCK_PAGES === 0 && pages % MEMORY_BLOCK_PAGES === 0;
    if (!whole || pages === 0) return -EINVAL;
    if (base + pages > this.table.pages) return -EINVAL;
    if (this.isTaken({ base, pages })) return -EEXIST;
    const made: MemoryBlock[] = [];
    for (let at = base; at < base + pages; at += MEMORY_BLOCK_PAGES) {
      const place = { id: at / MEMORY_BLOCK_PAGES, nid, base: at, pages: MEMORY_BLOCK_PAGES };
      made.push({ ...place, zone: null, online: false, holdsKernel: false });
    }
    this.byNode.set(nid, [...known, ...made].sort(byId));
    this.nodes.setState(nid, N_ONLINE);
    return 0;
  }

  /**
   * Takes offline blocks of a range away; a node without blocks and CPUs goes offline
   * (try_remove_memory, try_offline_node).
   * @returns 0, or -EBUSY if one is online
   */
  remove(nid: number, range: PfnRange): number {
    const gone = this.within(nid, range);
    if (gone.some((block) => block.online)) return -EBUSY;
    const left = this.of(nid).filter((block) => !gone.includes(block));
    this.byNode.set(nid, left);
    if (left.length === 0 && !this.nodes.hasState(nid, N_CPU)) this.nodes.clearState(nid, N_ONLINE);
    return 0;
  }

  /**
   * The same, and brings the blocks online until one will not: add_memory_resource does not look at
   * the answer, so the rest stays offline.
   * @returns as `add`
   */
  plug(nid: number, range: PfnRange, state: OnlineType, adder: Owner | null = null): number {
    const rc = this.add(nid, range, adder);
    if (rc < 0 || state === 'offline') return rc;
    for (const block of this.within(nid, range)) {
      if (this.setState(block, state) < 0) break;
    }
    return 0;
  }

  /**
   * Takes a range offline and away. Blocks that went offline come back if one of them can't
   * (offline_and_remove_memory).
   * @returns 0; -EINVAL no such node; or the error of the block that stays
   */
  offlineAndRemove(nid: number, range: PfnRange): number {
    if (!this.nodes.exists(nid)) return -EINVAL;
    const undo: (() => void)[] = [];
    for (const block of this.within(nid, range)) {
      if (!block.online) continue;
      const word = block.zone?.name === 'Movable' ? 'online_movable' : 'online_kernel';
      const rc = this.setState(block, 'offline');
      if (rc < 0) {
        for (const back of undo.reverse()) back();
        return rc;
      }
      undo.push(() => this.setState(block, word));
    }
    return this.remove(nid, range);
  }

  /** Blocks of a node in a range. */
  within(nid: number, { base, pages }: PfnRange): readonly MemoryBlock[] {
    return this.of(nid).filter((block) => block.base >= base && block.base < base + pages);
  }

  private isTaken({ base, pages }: PfnRange): boolean {
    for (const { nid } of this.nodes.all()) {
      if (this.within(nid, { base, pages }).length > 0) return true;
    }
    return this.nodes.zones.some((zone) => intersects(zone, { base, pages }));
  }

  /** What a zone spans when the boot is over: its blocks are made when they are asked for. */
  addBootZone(zone: Zone, hotplugged: boolean): void {
    this.bootZones.push({ zone, base: zone.base, pages: zone.spannedPages, hotplugged });
  }

  /**
   * A write to a block's state file.
   * @returns 0; -EINVAL for an unknown word, a block already so, one with holes or of two zones;
   *   -EBUSY if kernel data is in it; -EHWPOISON if a poisoned page is; -EINTR if it does not empty
   */
  setState(block: MemoryBlock, state: string): number {
    if (state === 'offline') return block.online ? this.offline(block) : -EINVAL;
    const type = this.zoneType(block, state);
    if (type < 0 || block.online) return -EINVAL;
    return this.onlineTo(block, this.nodes.zone(block.nid, type));
  }

  /** Zone type for a word, policy contig-zones (zone_for_pfn_range); -1 for an unknown word. */
  zoneType(block: MemoryBlock, state: string): number {
    const kernel = this.kernelZoneType(block);
    if (state === 'online_kernel') return kernel;
    if (state === 'online_movable') return ZONE_MOVABLE;
    if (state !== 'online') return -1;
    const { zones } = this.nodes.pgdat(block.nid);
    const spanned = (type: number): boolean =>
      zones.some((zone) => zone.type === type && intersects(zone, block));
    return spanned(ZONE_MOVABLE) && !spanned(kernel) ? ZONE_MOVABLE : kernel;
  }

  /** default_kernel_zone_for_pfn. */
  private kernelZoneType(block: MemoryBlock): number {
    const { zones } = this.nodes.pgdat(block.nid);
    const found = zones.find((zone) => zone.type < ZONE_NORMAL && intersects(zone, block));
    return found?.type ?? ZONE_NORMAL;
  }

  private onlineTo(block: MemoryBlock, zone: Zone): number {
    if (this.poisonedIn(block) > 0) return -EHWPOISON;
    const { nid, base, pages } = block;
    const forKernel = zone.type !== ZONE_MOVABLE && !this.hotplug.comesApart(nid);
    block.holdsKernel = forKernel && !this.nodes.hasNormalMemory(nid);
    block.zone = zone;
    block.online = true;
    this.table.unreserve(base, pages);
    this.managed.claimForNode(nid, base, pages);
    this.nodes.growZone(zone, base, pages);
    zone.presentPages += pages;
    addFreeRange(this.table, zone, base, pages);
    this.hotplug.memoryChanged(nid);
    return 0;
  }

  /** offline_pages. */
  private offline(block: MemoryBlock): number {
    const { zone, nid, pages } = block;
    if (zone === null || pages !== MEMORY_BLOCK_PAGES) return -EINVAL;
    this.drain();
    if (block.holdsKernel || this.hasUnmovable(block, zone)) return -EBUSY;
    zone.drainPages();
    isolateRange(this.table, zone, block);
    for (let pass = 0; pass < OFFLINE_PASSES_MAX && !this.isEmpty(block, zone); pass++) {
      this.migrateRange.run(nid, block);
      this.drain();
    }
    if (!this.isEmpty(block, zone)) {
      undoIsolation(this.table, zone, block);
      return -EINTR;
    }
    this.takeAway(block, zone);
    return 0;
  }

  private takeAway(block: MemoryBlock, zone: Zone): void {
    const { nid, base, pages } = block;
    endIsolation(this.table, zone, block);
    this.pagesGone += this.poisonedIn(block);
    this.table.reserve(base, pages);
    this.managed.claim(null, base, pages);
    zone.managedPages -= pages;
    zone.presentPages -= pages;
    this.nodes.shrinkZone(zone, base, pages);
    block.online = false;
    block.zone = null;
    this.hotplug.memoryChanged(nid);
  }

  /** Pages in use that are on no LRU list; a movable zone has none (has_unmovable_pages). */
  private hasUnmovable({ base, pages }: MemoryBlock, zone: Zone): boolean {
    if (zone.type === ZONE_MOVABLE) return false;
    const { table } = this;
    const movable = PG_lru | PG_tail | PG_hwpoison;
    for (let pfn = base; pfn < base + pages; pfn++) {
      if (table.refcount[pfn]! > 0 && (table.flags[pfn]! & movable) === 0) return true;
    }
    return false;
  }

  private drain(): void {
    this.migrate.waitForBatches();
    this.folios.lruAddDrainAll();
  }

  private isEmpty(block: MemoryBlock, zone: Zone): boolean {
    return zone.isolatedFree + this.poisonedIn(block) === block.pages;
  }

  private poisonedIn({ base, pages }: MemoryBlock): number {
    let count = 0;
    for (const pfn of this.memoryFailure.poisoned) {
      if (pfn >= base && pfn < base + pages) count++;
    }
    return count;
  }
}
export const MemoryBlocksToken = createToken<MemoryBlocks>('MemoryBlocks');

/** Two zones can share a block: then it can never go. */
function addBlocks(blocks: Map<number, MemoryBlock>, boot: BootZone): void {
  const { zone, base, pages, hotplugged } = boot;
  const end = base + pages;
  const first = Math.floor(base / MEMORY_BLOCK_PAGES);
  const last = Math.ceil(end / MEMORY_BLOCK_PAGES) - 1;
  for (let id = first; id <= last; id++) {
    const before = blocks.get(id);
    if (before !== undefined) {
      before.zone = null;
      continue;
    }
    const start = Math.max(base, id * MEMORY_BLOCK_PAGES);
    const outer = id === first || (id === last && !hotplugged);
    const holdsKernel = zone.type !== ZONE_MOVABLE && outer;
    const place = { id, nid: zone.nid, base: start };
    const there = Math.min(end, (id + 1) * MEMORY_BLOCK_PAGES) - start;
    blocks.set(id, { ...place, pages: there, zone, online: true, holdsKernel });
  }
}

function byId(a: MemoryBlock, b: MemoryBlock): number {
  return a.id - b.id;
}

function intersects(zone: Zone, { base, pages }: PfnRange): boolean {
  if (zone.spannedPages === 0) return false;
  return base < zone.base + zone.spannedPages && base + pages > zone.base;
}
