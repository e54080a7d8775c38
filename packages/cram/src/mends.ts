import { createToken, OptionCheck } from '@mm-lab/mm-core';
import type { Mending, Mends } from '@mm-lab/node-private';

/**
 * What `nodePrivate()` has to mend before CRAM can keep a device that is short: its frees by
 * reclaim, and the two holes of its write fence. With `bufferedWrites` mended too, or `fileEntry`,
 * write(2) cannot change a page there either.
 */
export const MENDED_FOR_CRAM = {
  reclaimFrees: 'mended',
  swapIn: 'mended',
  sharedMaps: 'mended',
} as const satisfies Mends;

/** Where the posted CRAM misbehaves, each place as it is (`v4`, the default) or `mended`. */
export interface CramMends {
  /**
   * Does the boost of the watermarks cap what demotion brings in? `v4`: it does not. Demotion runs
   * in reclaim, which may use the reserves, and the request does not forbid it: a kernel with the
   * series filled the node at every pressure below 1000. `mended`: the request forbids it, as that
   * of ordinary demotion does (`__GFP_NOMEMALLOC`).
   */
  readonly entryCap?: Mending;
  /**
   * What becomes of a store to the node while DRAM has no page for it? `v4`: its fault begins anew
   * for ever, because the request never kills (`__GFP_RETRY_MAYFAIL`). `mended`: it asks as any
   * store to a read-only page does, and the OOM killer makes room.
   */
  readonly fullDram?: Mending;
  /**
   * May folios of files come in? `v4`: they may, shared memory too, and write(2) then changes them
   * in place, where nothing faults. `mended`: only anonymous folios may.
   */
  readonly fileEntry?: Mending;
  /**
   * Does a load that faults on a present entry promote its folio? `v4`: it does, as the service is
   * asked before the kernel looks whether the fault is a store; hardware without an accessed bit
   * of its own takes such faults (`FEAT_HAFDBS` of arm64). `mended`: the entry is made young.
   */
  readonly readFaults?: Mending;
}

/** The options of CRAM with every default filled in. */
export type CramConfig = Required<CramMends>;
export const CramConfig = createToken<CramConfig>('CramConfig');

/** Fills in what was not chosen. @throws MmError DEVICE_BAD_OPTION for another word */
export function readCramMends(chosen: CramMends): CramConfig {
  const config: CramConfig = {
    entryCap: chosen.entryCap ?? 'v4',
    fullDram: chosen.fullDram ?? 'v4',
    fileEntry: chosen.fileEntry ?? 'v4',
    readFaults: chosen.readFaults ?? 'v4',
  };
  const check = new OptionCheck('cram');
  check.known(chosen, Object.keys(config));
  for (const [name, value] of Object.entries(config)) check.word(name, value, ['v4', 'mended']);
  return config;
}
