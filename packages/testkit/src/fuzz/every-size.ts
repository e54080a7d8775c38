import type { PageData } from '@mm-lab/mm-core';
import { contentsOf } from '../contents.js';

/**
 * Page contents for a device that compresses: pages of every size, from one sector to
 * incompressible, which change with each store.
 */
export const pagesOfEverySize: PageData = {
  keyOf: (vpn, version) => 1 + ((vpn * 7 + version * 13) % 61),
  render: (key, out) => out.fill(key),
  compressedSize: (key) => (key === 0 ? 0 : Math.min(4096, 64 * key + 40)),
};

/** Plugin: pages hold those. */
export const everySize = contentsOf(pagesOfEverySize);
