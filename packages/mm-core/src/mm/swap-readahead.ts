import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { PG_readahead } from '../abi/page-flags.js';
import { PTE_TYPE_SWAP, pteMapsPage, pteType } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AnonVma } from '../mem/anon-vma.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { FaultContext } from './fault-context.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Swap, SwapToken } from './swap.js';
import { type SwapRead, SwapReadToken } from './swap-read.js';
import { Sysctl } from './sysctl.js';

/** log2 of the largest window of an area (SWAP_RA_ORDER_CEILING). */
const ORDER_CEILING = 5;
/** Hits that an area remembers (SWAP_RA_HITS_MAX). */
const HITS_MAX = 63;
/** Hits that are supposed of an area, or of a machine, of which nothing is known. */
const HITS_AT_FIRST = 4;

/** What readahead remembers: of an area by virtual page, of a device by slot. */
interface History {
  /** Last page that was faulted, or last slot that was read without a hit. */
  last: number;
  /** Pages of the last window. */
  window: number;
  /** Pages of it that were used. */
  hits: number;
}

/**
 * Swap-in reads what lies around a fault too (mm/swap_state.c:swapin_readahead): by address in the
 * area, or by slot on a device that turns. vm.page-cluster is log2 of the most pages at once.
 * Simplified: areas that were one share what is remembered, as long as they could be one again; a
 * forked child remembers nothing.
 */
@injectable()
export class SwapReadahead {
  private readonly hit = Vmstat.index('swap_ra_hit');
  private readonly areas = new WeakMap<AnonVma, History>();
  private readonly device: History = { last: 0, window: 0, hits: HITS_AT_FIRST };

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(SwapReadToken) private readonly reader: SwapRead,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /**
   * swapin_readahead: the page of an entry, and pages around it.
   * @returns its folio in the swap cache, or -1
   */
  swapin(vmf: FaultContext): number {
    const entry = vmf.value;
    if (!this.isByArea()) return this.cluster(entry, this.allocatorAt(vmf, vmf.vpn));
    for (const [slot, vpn] of this.entriesAround(vmf)) {
      const why = vpn === vmf.vpn ? 'asked for' : 'ahead';
      this.reader.read(slot, why, () => this.allocatorAt(vmf, vpn)(slot));
    }
    return this.reader.read(entry, 'asked for', () => this.allocatorAt(vmf, vmf.vpn)(entry));
  }

  /**
   * swap_cluster_readahead: an aligned window of slots around one.
   * @param allocate a page for a slot, charged to the group of the slot
   * @returns its folio in the swap cache, or -1
   */
  cluster(entry: number, allocate: (slot: number) => number): number {
    const pages = this.slotWindow(entry);
    const offset = this.swap.offsetOf(entry);
    const first = Math.max(1, offset - (offset % pages));
    for (let at = first; pages > 1 && at < first - (first % pages) + pages; at++) {
      const slot = entry + at - offset;
      this.reader.read(slot, slot === entry ? 'asked for' : 'ahead', () => allocate(slot));
    }
    return this.reader.read(entry, 'asked for', () => allocate(entry));
  }

  /**
   * A folio of the swap cache was found by who needs it (swap_update_readahead).
   * @param area the area and the virtual page of a fault; null for shared memory
   */
  used(folio: number, area: { readonly vma: Vma; readonly vpn: number } | null): void {
    if (this.table.order[folio] !== 0) return;
    const wasAhead = this.table.has(folio, PG_readahead);
    this.table.clear(folio, PG_readahead);
    const isOfArea = area !== null && this.isByArea();
    if (isOfArea) {
      const history = this.historyOf(area.vma);
      history.last = area.vpn;
      if (wasAhead) history.hits = Math.min(history.hits + 1, HITS_MAX);
    }
    if (!wasAhead) return;
    this.vmstat.add(this.hit, 1);
    if (!isOfArea) this.device.hits += 1;
  }

  /** swap_use_vma_readahead. */
  private isByArea(): boolean {
    return this.sysctl.vma_ra_enabled && !this.swap.rotational;
  }

  private allocatorAt({ mm, vma, nid }: FaultContext, vpn: number): (slot: number) => number {
    const page = { mm, vma, vpn, nid };
    return (slot) => this.prealloc.forSwapIn(page, GFP_HIGHUSER_MOVABLE, this.swap.memcgOf(slot));
  }

  /** Slots in the window of a fault, each with its virtual page, as they are come to. */
  private *entriesAround(vmf: FaultContext): Iterable<readonly [slot: number, vpn: number]> {
    const [start, end] = this.areaWindow(vmf);
    for (let vpn = start; vpn < end; vpn++) {
      const at = this.ptes.find(vmf.mm.id, vpn);
      if (at < 0) continue;
      const bits = this.ptes.bits[at]!;
      if (!pteMapsPage(bits) && pteType(bits) === PTE_TYPE_SWAP) yield [this.ptes.value[at]!, vpn];
    }
  }

  /** swap_vma_ra_win: virtual pages, none if the window is of one page. */
  private areaWindow({ vma, vpn }: FaultContext): readonly [start: number, end: number] {
    const most = 1 << Math.min(this.sysctl.page_cluster, ORDER_CEILING);
    if (most === 1) return [vpn, vpn];
    const history = this.historyOf(vma);
    const before = history.last;
    const pages = windowFor(history, vpn, most);
    Object.assign(history, { last: vpn, window: pages, hits: 0 });
    if (pages === 1) return [vpn, vpn];
    const leaf = vpn - (vpn % PTRS_PER_PTE);
    const left = leftOf(vpn, before, pages);
    return [Math.max(left, vma.start, leaf), Math.min(left + pages, vma.end, leaf + PTRS_PER_PTE)];
  }

  /** swapin_nr_pages: pages around a slot of the device. */
  private slotWindow(slot: number): number {
    const most = 2 ** this.sysctl.page_cluster;
    if (most <= 1) return 1;
    const pages = windowFor(this.device, this.swap.offsetOf(slot), most);
    if (this.device.hits === 0) this.device.last = this.swap.offsetOf(slot);
    this.device.hits = 0;
    this.device.window = pages;
    return pages;
  }

  private historyOf({ anonVma }: Vma): History {
    const known = anonVma === null ? undefined : this.areas.get(anonVma);
    if (known !== undefined) return known;
    const fresh = { last: 0, window: 0, hits: HITS_AT_FIRST };
    if (anonVma !== null) this.areas.set(anonVma, fresh);
    return fresh;
  }
}
export const SwapReadaheadToken = createToken<SwapReadahead>('SwapReadahead');

/** Pages to read at once, by what came of the last ones (__swapin_nr_pages). */
function windowFor({ last, window, hits }: History, at: number, most: number): number {
  const isNext = Math.abs(at - last) === 1;
  const alone = isNext ? 2 : 1;
  const wanted = hits === 0 ? alone : Math.max(4, 2 ** Math.ceil(Math.log2(hits + 2)));
  return Math.max(Math.min(wanted, most), Math.floor(window / 2));
}

/** Where a window begins: ahead of a fault that goes on, behind one that goes back, else around. */
function leftOf(vpn: number, before: number, pages: number): number {
  if (vpn === before + 1) return vpn;
  if (vpn === before - 1) return vpn - pages + 1;
  return vpn - Math.floor((pages - 1) / 2);
}
