import type { Plugin, Services } from '@mm-lab/mm-core';
import { Cram, CramToken } from './cram.js';
import { CramEntry, CramEntryToken } from './entry.js';
import { CramFree, CramFreeToken } from './free.js';
import { CramConfig, type CramMends, readCramMends } from './mends.js';
import { AdmissionFilterToken, admitAll } from './policy/admission-filter.js';
import { Balloon, BalloonToken } from './policy/balloon.js';
import { NodeUsers, NodeUsersToken } from './policy/node-users.js';
import { PageContents, PageContentsToken } from './policy/page-contents.js';
import { bangBang, PressurePolicyToken } from './policy/pressure-controller.js';
import { PressureLoop, PressureLoopToken } from './policy/pressure-loop.js';
import { WritablePages, WritablePagesToken } from './policy/writable-pages.js';
import { neverWritable, WritePolicyToken } from './policy/write-policy.js';
import { CramPromotion, CramPromotionToken } from './promotion.js';

/** Options of the service: where the posted series is to be mended. */
export interface CramOptions extends CramMends {}

/**
 * Plugin: the CRAM service. Needs `nodePrivate()`; a device's driver then registers its node. A
 * policy is replaced by a plugin that binds its token, before or after this one.
 *
 * @throws MmError DEVICE_BAD_OPTION
 */
export function cram(options: CramOptions = {}): Plugin {
  const config = readCramMends(options);
  return {
    name: 'cram',
    register(services) {
      services.bindValue(CramConfig, config);
      services.bind(CramEntryToken, CramEntry);
      services.bind(CramPromotionToken, CramPromotion);
      services.bind(CramFreeToken, CramFree);
      services.bind(CramToken, Cram);
      services.bind(PressureLoopToken, PressureLoop);
      services.bind(PageContentsToken, PageContents);
      services.bind(NodeUsersToken, NodeUsers);
      services.bind(BalloonToken, Balloon);
      services.bind(WritablePagesToken, WritablePages);
      bindPolicies(services);
    },
    stats(services) {
      return { ...services.get(CramToken).stats(), ...services.get(WritablePagesToken).stats() };
    },
  };
}

/** What RFC v4 does, where no plugin chose otherwise. */
function bindPolicies(services: Services): void {
  if (!services.has(PressurePolicyToken)) {
    services.bindValue(PressurePolicyToken, { controllerFor: bangBang });
  }
  if (!services.has(WritePolicyToken)) services.bindValue(WritePolicyToken, neverWritable);
  if (!services.has(AdmissionFilterToken)) services.bindValue(AdmissionFilterToken, admitAll);
}
