import {
  type CompressingDevice,
  createToken,
  deviceToken,
  inject,
  injectable,
  type MemoryHotplug,
  MemoryHotplugToken,
  MmError,
  type Plugin,
} from '@mm-lab/mm-core';
import type { DriverOptions } from './driver-options.js';

@injectable()
class Sysram {
  constructor(@inject(MemoryHotplugToken) private readonly hotplug: MemoryHotplug) {}

  online(nid: number, device: CompressingDevice): number {
    return this.hotplug.onlinePages(nid, device);
  }

  offline(nid: number): number {
    return this.hotplug.offlinePages(nid);
  }
}
const SysramToken = createToken<Sysram>('Sysram');

/**
 * Plugin: plugs the device's memory as ordinary N_MEMORY of its node, as drivers/cxl's sysram
 * regions do by default. Nobody looks at how full the device really is: this is what a compressing
 * device is without a service like CRAM.
 */
export function cxlSysram(options: DriverOptions): Plugin {
  const name = 'cxl-sysram';
  return {
    name,
    register: (services) => services.bind(SysramToken, Sysram),
    probe(services) {
      const device = services.get(deviceToken(options.device ?? 'cxl0'));
      const rc = services.get(SysramToken).online(options.nid, device);
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
    remove(services) {
      const rc = services.get(SysramToken).offline(options.nid);
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
  };
}
