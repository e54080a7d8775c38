import {
  createToken,
  EBUSY,
  EEXIST,
  EINVAL,
  ENOMEM,
  ENOSPC,
  ENXIO,
  inject,
  injectable,
  MEMORY_BLOCK_PAGES,
  MEMTIER_ADISTANCE_DRAM,
  type MemoryBlocks,
  MemoryBlocksToken,
  type MemoryHotplug,
  MemoryHotplugToken,
  type Nodes,
  NodesToken,
  ONLINE_TYPES,
  type OnlineType,
  type PfnRange,
  type Warnings,
  WarningsToken,
} from '@mm-lab/mm-core';
import type { NodePrivateInfo, PrivateHotplug } from '@mm-lab/node-private';
import type { CxlRegion } from './cxl-region.js';

/** Abstract distance of memory of which nobody says how far it is. */
const MEMTIER_DEFAULT_LOWTIER_ADISTANCE = 5 * MEMTIER_ADISTANCE_DRAM;

/** The parameter `private` of patch 25. */
export interface PrivateSysram {
  readonly hotplug: PrivateHotplug;
  /**
   * Whose np? 'embedded' (posted): each sysram device has its own, so a second region of a node is
   * refused with -EBUSY; 'of the node': regions of a node share that of the first.
   */
  readonly np: 'embedded' | 'of the node';
}

/** A sysram device under its region (struct cxl_sysram). */
export interface CxlSysram {
  readonly region: CxlRegion;
  /** Name in /proc/iomem. */
  readonly resourceName: string;
  /** Whole memory blocks of the region. */
  readonly range: PfnRange;
  readonly nid: number;
  /** How its memory is plugged as private, or null. */
  readonly private: { readonly np: NodePrivateInfo; readonly hotplug: PrivateHotplug } | null;
  /** Does it own plugged memory? */
  readonly isPlugged: boolean;
}
type Plugged = CxlSysram & { isPlugged: boolean };

/**
 * The sysram devices of the machine (RFC v4 patches 24 and 25, drivers/cxl/core/region_sysram.c):
 * memory of CXL regions, plugged without a DAX device between.
 *
 * A sysram device: unplugged --hotplug, online word--> plugged --offline--> unplugged.
 *
 * Simplified: there are no memory groups and no resource tree: a range is busy if another sysram
 * device has plugged a part of it.
 */
@injectable()
export class CxlSysrams {
  private readonly byRegion = new Map<CxlRegion, Plugged>();
  /** Nodes whose memory type is the default of this driver. */
  private readonly typed = new Set<number>();

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MemoryHotplugToken) private readonly memory: MemoryHotplug,
    @inject(MemoryBlocksToken) private readonly blocks: MemoryBlocks,
    @inject(WarningsToken) private readonly warnings: Warnings,
  ) {}

  /**
   * Makes the sysram device of a region. A RAM region is plugged at once if the type is above
   * 'offline', and a failure of that is only warned about; dynamic capacity comes later.
   * @param privately null: ordinary memory
   * @returns 0; in this order -ENXIO not committed, -ENOSPC no whole memory block, -ENOMEM,
   *   -EINVAL no node, -EEXIST the region has one
   */
  devm_cxl_add_sysram(
    cxlr: CxlRegion,
    onlineType: OnlineType,
    privately: PrivateSysram | null,
  ): number {
    if (cxlr.hpa === null) return -ENXIO;
    const range = cxlr.device === null ? wholeBlocks(cxlr.hpa) : cxlr.hpa;
    if (range.pages <= 0) return -ENOSPC;
    if (cxlr.failAllocation === true) return -ENOMEM;
    const nid = cxlr.targetNode ?? this.physaddrNode(range);
    if (nid < 0) return -EINVAL;
    if (this.byRegion.has(cxlr)) return -EEXIST;
    const resourceName = `cxl_sysram${cxlr.id}`;
    const parts = { region: cxlr, resourceName, range, nid };
    const np = privately === null ? null : this.npOf(nid, resourceName, privately);
    const sysram: Plugged = {
      ...parts,
      private: np === null || privately === null ? null : { np, hotplug: privately.hotplug },
      isPlugged: false,
    };
    this.byRegion.set(cxlr, sysram);
    this.initMemoryType(sysram);
    if (cxlr.mode !== 'ram' || onlineType === 'offline') return 0;
    if (this.hotplug_store(sysram, onlineType) < 0) this.warnings.warn('devm_cxl_add_sysram');
    return 0;
  }

  /** The sysram device of a region, or null. */
  cxl_region_find_sysram(cxlr: CxlRegion): CxlSysram | null {
    return this.byRegion.get(cxlr) ?? null;
  }

  /** Every sysram device, in the order they were made. */
  all(): readonly CxlSysram[] {
    return [...this.byRegion.values()];
  }

  /**
   * A write to the file `hotplug`, which can't be read.
   * @returns 0; -EINVAL no online type; -EBUSY plugged already, or the range is; or the error of
   *   hotplug; 'offline' is `cxl_sysram_offline_and_remove`
   */
  hotplug_store(sysram: CxlSysram, word: string): number {
    const type = ONLINE_TYPES.find((one) => one === word);
    if (type === undefined) return -EINVAL;
    if (type === 'offline') return this.cxl_sysram_offline_and_remove(sysram);
    if (sysram.isPlugged || this.isBusy(sysram.range)) return -EBUSY;
    const rc = this.plug(sysram, type);
    if (rc === 0) this.setPlugged(sysram, 'plugged');
    return rc;
  }

  /**
   * Takes the memory offline and away. With several regions on a private node -EBUSY means that the
   * others keep the node registered, and is success. The posted driver cannot tell it from the
   * -EBUSY of a block that stays, and neither does this one.
   * @returns 0, nothing plugged included; or the error of what stays
   */
  cxl_sysram_offline_and_remove(sysram: CxlSysram): number {
    if (!sysram.isPlugged) return 0;
    const rc = this.unplug(sysram);
    if (rc < 0) return rc;
    this.setPlugged(sysram, 'unplugged');
    return 0;
  }

  /** The region goes, or its driver: so does the device. @returns 0, or why it stays */
  unregister(cxlr: CxlRegion): number {
    const sysram = this.byRegion.get(cxlr);
    if (sysram === undefined) return 0;
    const rc = this.cxl_sysram_offline_and_remove(sysram);
    if (rc < 0) return rc;
    this.byRegion.delete(cxlr);
    this.putMemoryType(sysram.nid);
    return 0;
  }

  /** Simplified: a device backs a node as a whole, so the word has no say in the zone. */
  private plug({ nid, range, region, private: apart }: CxlSysram, onlineType: OnlineType): number {
    if (region.device !== null) {
      if (!this.isWholeNode(nid, range)) return -EINVAL;
      if (apart === null) return this.memory.onlinePages(nid, region.device);
      return apart.hotplug.add_private_memory_driver_managed(nid, apart.np, region.device);
    }
    if (apart === null) return this.blocks.plug(nid, range, onlineType);
    return apart.hotplug.add_private_range(nid, apart.np, { ...range, onlineType });
  }

  /** A whole node is shared with no other range: there -EBUSY is what it says. */
  private unplug({ nid, range, region, private: apart }: CxlSysram): number {
    if (region.device !== null) {
      if (apart === null) return this.memory.offlinePages(nid);
      return apart.hotplug.offline_and_remove_private_memory(nid);
    }
    if (apart === null) return this.blocks.offlineAndRemove(nid, range);
    const rc = apart.hotplug.offline_and_remove_private_range(nid, range);
    return rc === -EBUSY ? 0 : rc;
  }

  private setPlugged({ region }: CxlSysram, state: 'plugged' | 'unplugged'): void {
    const sysram = this.byRegion.get(region);
    if (sysram !== undefined) sysram.isPlugged = state === 'plugged';
  }

  private isBusy(range: PfnRange): boolean {
    return this.all().some((other) => other.isPlugged && overlap(other.range, range));
  }

  private isWholeNode(nid: number, { base, pages }: PfnRange): boolean {
    if (!this.nodes.exists(nid)) return false;
    const pgdat = this.nodes.pgdat(nid);
    return pgdat.base === base && pgdat.spannedPages === pages;
  }

  /** memory_add_physaddr_to_nid: the node in whose room the range begins, or -1. */
  private physaddrNode({ base }: PfnRange): number {
    for (const pgdat of this.nodes.all()) {
      if (base >= pgdat.base && base < pgdat.base + pgdat.spannedPages) return pgdat.nid;
    }
    return -1;
  }

  private npOf(nid: number, name: string, { np }: PrivateSysram): NodePrivateInfo {
    if (np === 'embedded') return { name };
    const first = this.all().find((other) => other.nid === nid && other.private !== null);
    return first?.private?.np ?? { name };
  }

  /**
   * Memory type by abstract distance (mt_calc_adistance). Simplified: a node whose device says how
   * fast it is keeps the tier that follows from that.
   */
  private initMemoryType({ nid, region }: CxlSysram): void {
    if (region.device !== null || !this.nodes.exists(nid)) return;
    const pgdat = this.nodes.pgdat(nid);
    if (pgdat.perf !== null || pgdat.adistance !== null) return;
    pgdat.adistance = MEMTIER_DEFAULT_LOWTIER_ADISTANCE;
    this.typed.add(nid);
  }

  private putMemoryType(nid: number): void {
    if (this.all().some((other) => other.nid === nid)) return;
    if (this.typed.delete(nid)) this.nodes.pgdat(nid).adistance = null;
  }
}
export const CxlSysramsToken = createToken<CxlSysrams>('CxlSysrams');

function wholeBlocks({ base, pages }: PfnRange): PfnRange {
  const first = Math.ceil(base / MEMORY_BLOCK_PAGES) * MEMORY_BLOCK_PAGES;
  const end = Math.floor((base + pages) / MEMORY_BLOCK_PAGES) * MEMORY_BLOCK_PAGES;
  return { base: first, pages: end - first };
}

function overlap(a: PfnRange, b: PfnRange): boolean {
  return a.base < b.base + b.pages && b.base < a.base + a.pages;
}
