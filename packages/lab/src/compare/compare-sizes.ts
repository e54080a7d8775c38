import type { PlayedWorkload } from '../workload/workload-spec.js';
import type { CompareOptions } from './compare-options.js';

/** Sizes of the machine and of the device, defaults filled in. */
export interface CompareSizes {
  /** Distinct pages of the workload. */
  readonly workloadPages: number;
  readonly dramPages: number;
  readonly devicePages: number;
  readonly physicalBytes: number;
}

/** The smallest DRAM that Linux's watermarks leave something of. */
const DRAM_PAGES_MIN = 256;

/**
 * What is not given follows from the workload: DRAM for two thirds of its pages, a device that
 * addresses as many as it has, and a medium for a fifth of that: what does not fit in DRAM must
 * compress well to fit there.
 */
export function compareSizes(options: CompareOptions, workload: PlayedWorkload): CompareSizes {
  const { pages } = workload;
  const devicePages = options.devicePages ?? Math.max(DRAM_PAGES_MIN, pages);
  return {
    workloadPages: pages,
    dramPages: options.dramPages ?? Math.max(DRAM_PAGES_MIN, Math.ceil((2 / 3) * pages)),
    devicePages,
    physicalBytes: options.physicalBytes ?? Math.ceil(pages / 5) * 4096,
  };
}
