import { SHIPPED_TRACES } from '@mm-lab/workloads';
import type { BackendName } from './backends.js';

/**
 * What `mm-lab compare` compares: plain data, so that every worker can build the experiment from
 * it.
 */
export interface CompareOptions {
  readonly backends: readonly BackendName[];
  /** Shipped name or path. */
  readonly trace: string;
  readonly pages?: string | undefined;
  readonly sizes?: string | undefined;
  readonly events?: string | undefined;
  /** Pages of DRAM. */
  readonly dramPages?: number | undefined;
  /** Pages that the device lets the host address. */
  readonly devicePages?: number | undefined;
  /** Bytes that the device really has. */
  readonly physicalBytes?: number | undefined;
  readonly seed: number;
}

/** The shipped trace that `compare` plays when nothing is said. */
export const DEFAULT_TRACE = SHIPPED_TRACES[0];
