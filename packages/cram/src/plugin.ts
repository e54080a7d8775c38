import type { Plugin } from '@mm-lab/mm-core';
import { Cram, CramToken } from './cram.js';
import { CramEntry, CramEntryToken } from './entry.js';
import { CramFree, CramFreeToken } from './free.js';
import { CramConfig, type CramMends, readCramMends } from './mends.js';
import { bangBang, PressurePolicyToken } from './policy/pressure-controller.js';
import { PressureLoop, PressureLoopToken } from './policy/pressure-loop.js';
import { CramPromotion, CramPromotionToken } from './promotion.js';

/** Options of the service: where the posted series is to be mended. */
export interface CramOptions extends CramMends {}

/**
 * Plugin: the CRAM service. Needs `nodePrivate()`; a device's driver then registers its node. A
 * policy is replaced by a plugin that binds its token, before or after this one.
 */
export function cram(options: CramOptions = {}): Plugin {
  return {
    name: 'cram',
    register(services) {
      services.bindValue(CramConfig, readCramMends(options));
      services.bind(CramEntryToken, CramEntry);
      services.bind(CramPromotionToken, CramPromotion);
      services.bind(CramFreeToken, CramFree);
      services.bind(CramToken, Cram);
      services.bind(PressureLoopToken, PressureLoop);
      if (!services.has(PressurePolicyToken)) {
        services.bindValue(PressurePolicyToken, { controllerFor: bangBang });
      }
    },
    stats(services) {
      return services.get(CramToken).stats();
    },
  };
}
