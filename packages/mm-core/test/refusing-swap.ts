import { ENOMEM, type Plugin, SwapBackend } from '../src/index.js';

/** Swap with slots that takes no page: what is unmapped for it stays in the swap cache, dirty. */
export function refusingSwap(slots: number): Plugin {
  const backend: SwapBackend = {
    name: 'refusing',
    slots,
    synchronous: true,
    store: () => -ENOMEM,
    load: () => undefined,
    free: () => undefined,
    stats: () => ({}),
  };
  return {
    name: 'refusing-swap',
    register: (services) => services.bindValue(SwapBackend, backend),
  };
}
