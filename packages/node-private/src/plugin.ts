import { IsolationToken, ManagedToken, type Plugin } from '@mm-lab/mm-core';
import { GATES, type GateName } from './isolation/gates.js';
import { NodePrivate, NodePrivateToken } from './node-private.js';
import { PrivateHotplug, PrivateHotplugToken } from './private-hotplug.js';

/** Where the posted series can be mended. */
export interface NodePrivateOptions {
  /**
   * Do frees made by reclaim call `free_folio`? `v4`: they do not (a kernel with the series swapped
   * 767 pages out of a node and called the hook for none), so what a swapped-out page held stays on
   * the device until its frame is used again. `mended`: they do.
   */
  readonly reclaimFrees?: 'v4' | 'mended';
  /**
   * Does a swap-in that finds its folio in the swap cache keep the mapping of a write-protected
   * node read-only? `v4`: it does not. Demotion may leave a folio of the swap cache there, and
   * do_swap_page is no site of the series (found by fuzzing this model). `mended`: it does.
   */
  readonly swapIn?: 'v4' | 'mended';
  /** What keeps allocations away that did not ask; default that of RFC v4, `gfp-private`. */
  readonly gate?: GateName;
}

/**
 * Plugin: N_MEMORY_PRIVATE. Binds the registration and hotplug services; a driver plugin then
 * claims a node.
 */
export function nodePrivate(options: NodePrivateOptions = {}): Plugin {
  return {
    name: 'node-private',
    register(services) {
      services.bind(IsolationToken, GATES[options.gate ?? 'gfp-private']);
      services.bind(NodePrivateToken, NodePrivate);
      services.bind(PrivateHotplugToken, PrivateHotplug);
    },
    probe(services) {
      const managed = services.get(ManagedToken);
      managed.reclaimFreesHooked = options.reclaimFrees === 'mended';
      managed.swapInFenced = options.swapIn === 'mended';
    },
  };
}
