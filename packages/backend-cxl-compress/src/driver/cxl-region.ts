import {
  type MemoryDevice,
  type Nodes,
  type OptionCheck,
  PAGE_SIZE,
  type PfnRange,
} from '@mm-lab/mm-core';
import { checkNid, checkRange } from './driver-options.js';

/** How the partition behind a region is used (enum cxl_partition_mode). */
export type PartitionMode = 'ram' | 'dynamic-ram';

/** A region of CXL memory (struct cxl_region), as a driver finds it. */
export interface CxlRegion {
  readonly id: number;
  /** Host physical pages; null while the region is not committed. */
  readonly hpa: PfnRange | null;
  readonly mode: PartitionMode;
  /** Node of the range in the platform's tables (phys_to_target_node); null: it has none. */
  readonly targetNode: number | null;
  /**
   * What backs the range. It must then be all that its node can have, and is plugged as a whole and
   * not by memory blocks; null: memory without a model of its own.
   */
  readonly device: MemoryDevice | null;
  /** Fault injection: there is no memory for the sysram device. */
  readonly failAllocation?: boolean;
}

/** A region is a multiple of this many pages: 256 MB. */
export const REGION_ALIGN_PAGES = (256 << 20) / PAGE_SIZE;

/** Regions that the sample drivers look at. */
export const REGIONS_MAX = 8;

const REGION_OPTIONS = ['id', 'hpa', 'mode', 'targetNode', 'device', 'failAllocation'];
const ID_MAX = 2 ** 31 - 1;

/** @throws MmError DEVICE_BAD_OPTION for an entry of `regions` */
export function checkRegion(check: OptionCheck, region: CxlRegion): void {
  check.known(region, REGION_OPTIONS);
  check.integer('regions.id', region.id, [0, ID_MAX]);
  check.word('regions.mode', region.mode, ['ram', 'dynamic-ram']);
  if (region.targetNode !== null) checkNid(check, 'regions.targetNode', region.targetNode);
  check.that(region.device !== undefined, 'regions.device is undefined');
  if (region.hpa === null) return;
  check.that(typeof region.hpa === 'object', `regions.hpa is ${region.hpa}`);
  check.known(region.hpa, ['base', 'pages']);
  checkRange(check, 'regions.hpa', region.hpa);
}

/** The committed region that is all of a node, with what backs it. */
export function regionOfNode(nodes: Nodes, nid: number, device: MemoryDevice | null): CxlRegion {
  const place = nodes.exists(nid) ? nodes.pgdat(nid) : { base: 0, spannedPages: 0 };
  const hpa = { base: place.base, pages: place.spannedPages };
  return { id: nid, hpa, mode: 'ram', targetNode: nid, device };
}
