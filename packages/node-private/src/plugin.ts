import type { Plugin } from '@mm-lab/mm-core';
import { NodePrivate, NodePrivateToken } from './node-private.js';
import { PrivateHotplug, PrivateHotplugToken } from './private-hotplug.js';

/**
 * Plugin: N_MEMORY_PRIVATE. Binds the registration and hotplug services; a driver plugin then
 *         claims a node.
 */
export function nodePrivate(): Plugin {
  return {
    name: 'node-private',
    register(services) {
      services.bind(NodePrivateToken, NodePrivate);
      services.bind(PrivateHotplugToken, PrivateHotplug);
    },
  };
}
