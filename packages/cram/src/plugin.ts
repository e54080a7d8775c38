import type { Plugin } from '@mm-lab/mm-core';
import { Cram, CramToken } from './cram.js';
import { CramEntry, CramEntryToken } from './entry.js';
import { CramFree, CramFreeToken } from './free.js';
import { CramPromotion, CramPromotionToken } from './promotion.js';

/** Plugin: the CRAM service. Needs `nodePrivate()`; a device's driver then registers its node. */
export function cram(): Plugin {
  return {
    name: 'cram',
    register(services) {
      services.bind(CramEntryToken, CramEntry);
      services.bind(CramPromotionToken, CramPromotion);
      services.bind(CramFreeToken, CramFree);
      services.bind(CramToken, Cram);
    },
    stats(services) {
      return services.get(CramToken).stats();
    },
  };
}
