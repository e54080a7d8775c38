import { createToken } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import { swapCodecOf } from './cost-model.js';

/** Parameters of the module (/sys/module/zswap/parameters), with the kernel's defaults. */
export interface ZswapParams {
  /** Off. */
  enabled: boolean;
  /** Codec of `PageData.compressedSize`. Not the kernel's lzo, which nobody has a cost of. */
  compressor: string;
  /** The most that the pool may take of memory. */
  max_pool_percent: number;
  /** A pool that was full takes pages again below this share of its most. */
  accept_threshold_percent: number;
  /** Does reclaim ask zswap to write old pages to the device? Off: only a full pool does. */
  shrinker_enabled: boolean;
}
export const ZswapParams = createToken<ZswapParams>('ZswapParams');

export const ZSWAP_DEFAULTS: Readonly<ZswapParams> = {
  enabled: false,
  compressor: 'lz4',
  max_pool_percent: 20,
  accept_threshold_percent: 90,
  shrinker_enabled: false,
};

/** @throws MmError MACHINE_BAD_OPTION */
export function checkZswap(params: Readonly<Partial<ZswapParams>>): void {
  if (params.compressor !== undefined) swapCodecOf(params.compressor);
  for (const name of ['max_pool_percent', 'accept_threshold_percent'] as const) {
    const value = params[name];
    if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= 100)) continue;
    throw new MmError('MACHINE_BAD_OPTION', {
      detail: `zswap.${name} is ${value}, not a whole number from 0 to 100`,
    });
  }
}
