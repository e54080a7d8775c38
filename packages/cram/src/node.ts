import type { FlushCallback } from './free.js';

/** Largest pressure: the whole node must be free and nothing may come in. */
export const CRAM_PRESSURE_MAX = 1000;

/** What CRAM keeps of a node (mm/cram.c, struct cram_node). */
export interface CramNode {
  readonly nid: number;
  readonly owner: object;
  readonly flush: FlushCallback | null;
  /** 0..CRAM_PRESSURE_MAX, as the driver last said. */
  pressure: number;
  /** Is the node being torn down? */
  purged: boolean;
  /** Is the zone withdrawn (ZONE_NO_ALLOC)? Nothing may come in until it is given back. */
  withdrawn: boolean;
  /** Does a balloon converge on what it was told to let nothing in for? */
  converging: boolean;
  /** Folios moved back to DRAM by a store. */
  promotions: number;
  /** Lists refused because of pressure. */
  refused: number;
  /** Folios that the admission filter did not let in. */
  notAdmitted: number;
  /** Folios of files that were not let in (`fileEntry` mended). */
  refusedFiles: number;
}

/** May nothing come in? */
export function isClosed({ pressure, withdrawn, converging }: CramNode): boolean {
  return pressure >= CRAM_PRESSURE_MAX || withdrawn || converging;
}
