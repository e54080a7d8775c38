import { ENODEV, ENOSPC, type OptionCheck, type PfnRange } from '@mm-lab/mm-core';
import { type CxlRegion, checkRegion, REGION_ALIGN_PAGES, REGIONS_MAX } from './cxl-region.js';
import { checkNid, checkRange } from './driver-options.js';

/** Host addresses for regions (a CXL fixed memory window), and their node in the SRAT. */
export interface HpaWindow extends PfnRange {
  readonly targetNode: number | null;
}

/** A CXL memory device, as a driver of its PCI function finds it. */
export interface CxlMemdevOptions {
  /** Pages of its RAM partition. */
  readonly ramPages: number;
  /** Regions that the firmware or a user has made. Default none. */
  readonly regions?: readonly CxlRegion[];
  /** Where new ones may lie. Default nowhere. */
  readonly windows?: readonly HpaWindow[];
}

const RAM_PAGES_MAX = 2 ** 32;

const WINDOW_OPTIONS = ['base', 'pages', 'targetNode'];

/** @throws MmError DEVICE_BAD_OPTION */
export function checkMemdev(check: OptionCheck, options: CxlMemdevOptions): void {
  check.known(options, ['ramPages', 'regions', 'windows']);
  check.integer('ramPages', options.ramPages, [0, RAM_PAGES_MAX]);
  for (const region of options.regions ?? []) checkRegion(check, region);
  for (const window of options.windows ?? []) {
    check.known(window, WINDOW_OPTIONS);
    checkRange(check, 'windows', window);
    if (window.targetNode !== null) checkNid(check, 'windows.targetNode', window.targetNode);
  }
}

/** Regions of one memory device, and what they leave of its pages and of the host's addresses. */
export class CxlMemdev {
  private readonly made = new Set<CxlRegion>();

  constructor(private readonly options: CxlMemdevOptions) {}

  /** Those of its RAM among the first few committed regions. */
  ramRegions(): readonly CxlRegion[] {
    const committed = this.all().filter(({ hpa }) => hpa !== null);
    return committed.slice(0, REGIONS_MAX).filter(({ mode }) => mode === 'ram');
  }

  /**
   * A region of all of its RAM in the first window with room: size, host addresses, device
   * addresses, region, in this order.
   * @returns the region; -ENODEV no RAM; -ENOSPC less than 256 MB, or no room
   */
  createRegion(): CxlRegion | number {
    const { ramPages } = this.options;
    if (ramPages === 0) return -ENODEV;
    const pages = ramPages - (ramPages % REGION_ALIGN_PAGES);
    if (pages === 0) return -ENOSPC;
    const place = this.freeHpa(pages);
    if (place === null) return -ENOSPC;
    if (pages > this.freeDpaPages()) return -ENOSPC;
    const id = 1 + Math.max(-1, ...this.all().map((region) => region.id));
    const hpa = { base: place.base, pages };
    const { targetNode } = place;
    const region: CxlRegion = { id, hpa, mode: 'ram', targetNode, device: null };
    this.made.add(region);
    return region;
  }

  /** Undoes `createRegion`: its addresses on both sides are free. */
  destroyRegion(region: CxlRegion): void {
    this.made.delete(region);
  }

  /** Pages of RAM that are in no region. */
  freeDpaPages(): number {
    const taken = this.all().reduce((sum, { hpa }) => sum + (hpa?.pages ?? 0), 0);
    return this.options.ramPages - taken;
  }

  private all(): readonly CxlRegion[] {
    return [...(this.options.regions ?? []), ...this.made];
  }

  private freeHpa(pages: number): HpaWindow | null {
    for (const window of this.options.windows ?? []) {
      let base = Math.ceil(window.base / REGION_ALIGN_PAGES) * REGION_ALIGN_PAGES;
      for (const taken of this.takenIn(window)) {
        if (base + pages <= taken.base) break;
        base = Math.max(base, roundUp(taken.base + taken.pages));
      }
      if (base + pages <= window.base + window.pages) return { ...window, base, pages };
    }
    return null;
  }

  private takenIn(window: HpaWindow): readonly PfnRange[] {
    const ranges = this.all().flatMap(({ hpa }) => hpa ?? []);
    const end = window.base + window.pages;
    const inside = ranges.filter(({ base, pages }) => base < end && base + pages > window.base);
    return inside.sort((a, b) => a.base - b.base);
  }
}

function roundUp(pfn: number): number {
  return Math.ceil(pfn / REGION_ALIGN_PAGES) * REGION_ALIGN_PAGES;
}
