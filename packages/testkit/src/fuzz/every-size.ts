import { PageData, type Plugin } from '@mm-lab/mm-core';

/**
 * Page contents for a device that compresses: pages of every size, from one sector to
 * incompressible, which change with each store.
 */
export const everySize: Plugin = {
  name: 'data',
  register(services) {
    services.bindValue(PageData, {
      keyOf: (vpn, version) => 1 + ((vpn * 7 + version * 13) % 61),
      render: (key, out) => out.fill(key),
      compressedSize: (key) => (key === 0 ? 0 : Math.min(4096, 64 * key + 40)),
    });
  },
};
