import type { Services } from '../base/di.js';
import { PageIo, PageIoToken } from '../mm/page-io.js';
import { ShrinkersToken } from '../mm/shrinker.js';
import { Swap, SwapToken } from '../mm/swap.js';
import { NoSwap, SwapBackend } from '../mm/swap-backend.js';
import { SwapCache, SwapCacheToken } from '../mm/swap-cache.js';
import { SwapDevice, SwapDeviceToken } from '../mm/swap-device.js';
import { SwapFault, SwapFaultToken } from '../mm/swap-fault.js';
import { SwapRead, SwapReadToken } from '../mm/swap-read.js';
import { SwapReadahead, SwapReadaheadToken } from '../mm/swap-readahead.js';
import { Swapoff, SwapoffToken } from '../mm/swapoff.js';
import { Zsmalloc, ZsmallocToken } from '../mm/zsmalloc.js';
import { Zswap, ZswapToken } from '../mm/zswap.js';
import { ZswapShrink, ZswapShrinkToken } from '../mm/zswap-shrink.js';
import { ZswapTree, ZswapTreeToken } from '../mm/zswap-tree.js';
import { ZswapWriteback, ZswapWritebackToken } from '../mm/zswap-writeback.js';

/** Binds swap and the compressed memory in front of it. */
export function bindSwap(services: Services): void {
  services.bind(SwapBackend, NoSwap);
  services.bind(SwapDeviceToken, SwapDevice);
  services.bindValue(SwapCacheToken, new SwapCache());
  services.bind(ZsmallocToken, Zsmalloc);
  services.bind(ZswapTreeToken, ZswapTree);
  services.bind(ZswapShrinkToken, ZswapShrink);
  services.bind(ZswapToken, Zswap);
  services.bind(PageIoToken, PageIo);
  services.bind(SwapToken, Swap);
  services.bind(SwapReadToken, SwapRead);
  services.bind(SwapReadaheadToken, SwapReadahead);
  services.bind(SwapFaultToken, SwapFault);
  services.bind(SwapoffToken, Swapoff);
  services.bind(ZswapWritebackToken, ZswapWriteback);
}

/** Lets reclaim ask zswap to write old pages back, and zswap do it through the swap cache. */
export function registerSwapShrinkers(services: Services): void {
  const shrink = services.get(ZswapShrinkToken);
  shrink.pages = services.get(ZswapWritebackToken);
  services.get(ShrinkersToken).register(shrink);
}
