import {
  deviceToken,
  MemoryBlocksToken,
  mustSucceed,
  NodesToken,
  ONLINE_TYPES,
  type OnlineType,
  OptionCheck,
  type Plugin,
  type Services,
} from '@mm-lab/mm-core';
import { type CxlRegion, type PartitionMode, regionOfNode } from './cxl-region.js';
import { checkDriver, type DriverOptions } from './driver-options.js';
import { CxlSysrams, CxlSysramsToken } from './sysram.js';

/** The region of a device and what becomes of it. */
export interface CxlSysramOptions extends DriverOptions {
  /** As the kernel was configured. Default: what the system does with memory that is added. */
  readonly onlineType?: 'system default' | OnlineType;
  /** Default 'ram'; a region of dynamic capacity stays unplugged. */
  readonly mode?: PartitionMode;
}

/**
 * Plugin: plugs the device's memory as ordinary N_MEMORY of its node, as drivers/cxl's sysram
 * regions do by default. Nobody looks at how full the device really is: this is what a compressing
 * device is without a service like CRAM.
 *
 * @throws MmError DEVICE_BAD_OPTION; NODE_REFUSED, at probe and remove
 */
export function cxlSysram(options: CxlSysramOptions): Plugin {
  const name = 'cxl-sysram';
  checkSysram(name, options);
  const made: { region: CxlRegion | null } = { region: null };
  return {
    name,
    register: (services) => services.bind(CxlSysramsToken, CxlSysrams),
    probe(services) {
      const device = services.get(deviceToken(options.device ?? 'cxl0'));
      const whole = regionOfNode(services.get(NodesToken), options.nid, device);
      const region = { ...whole, mode: options.mode ?? 'ram' };
      mustSucceed(name, add(services, region, options.onlineType ?? 'system default'));
      made.region = region;
    },
    remove(services) {
      if (made.region === null) return;
      mustSucceed(name, services.get(CxlSysramsToken).unregister(made.region));
      made.region = null;
    },
  };
}

/** In two steps, because a failure to plug would only be warned about. */
function add(
  services: Services,
  region: CxlRegion,
  onlineType: 'system default' | OnlineType,
): number {
  const sysrams = services.get(CxlSysramsToken);
  const added = sysrams.devm_cxl_add_sysram(region, 'offline', null);
  const sysram = sysrams.cxl_region_find_sysram(region);
  if (added < 0 || sysram === null || region.mode !== 'ram') return added;
  const word = onlineType === 'system default' ? defaultOf(services) : onlineType;
  const rc = sysrams.hotplug_store(sysram, word);
  if (rc < 0) sysrams.unregister(region);
  return rc;
}

function defaultOf(services: Services): OnlineType {
  return services.get(MemoryBlocksToken).autoOnline;
}

function checkSysram(name: string, options: CxlSysramOptions): void {
  const { onlineType = 'system default', mode = 'ram' } = options;
  const check = new OptionCheck(name);
  checkDriver(check, options, ['onlineType', 'mode']);
  check.word('onlineType', onlineType, ['system default', ...ONLINE_TYPES]);
  check.word('mode', mode, ['ram', 'dynamic-ram']);
}
