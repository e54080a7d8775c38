import {
  type Cram,
  CramToken,
  type PressureLoop,
  PressureLoopToken,
  type StopPressure,
} from '@mm-lab/cram';
import {
  type CompressingDevice,
  createToken,
  deviceToken,
  inject,
  injectable,
  MmError,
  type Plugin,
} from '@mm-lab/mm-core';
import { type PrivateHotplug, PrivateHotplugToken } from '@mm-lab/node-private';
import type { DriverOptions } from './sysram.js';

/**
 * The driver of RFC v4 patch 27 (cxl_compression) in its first form: private memory, CRAM, and the
 * two threshold interrupts, whose meaning is the pressure policy's. Simplified: freed pages are
 * zeroed by CRAM at once, there are no flush buffers and no mailbox yet; teardown evacuates before
 * it unregisters, where the posted order strands pages.
 */
@injectable()
class CxlCompression {
  private readonly stopByNode = new Map<number, StopPressure>();

  constructor(
    @inject(PrivateHotplugToken) private readonly hotplug: PrivateHotplug,
    @inject(CramToken) private readonly cram: Cram,
    @inject(PressureLoopToken) private readonly pressure: PressureLoop,
  ) {}

  /** @returns 0 or -errno of the step that failed; then nothing stays claimed */
  probe(nid: number, device: CompressingDevice): number {
    const np = { name: 'cxl-compression' };
    const added = this.hotplug.add_private_memory_driver_managed(nid, np, device);
    if (added < 0) return added;
    const registered = this.cram.cram_register_private_node(nid, device, null);
    if (registered < 0) {
      this.hotplug.offline_and_remove_private_memory(nid);
      return registered;
    }
    this.stopByNode.set(nid, this.pressure.start(nid, device));
    return 0;
  }

  /** @returns 0 or -EBUSY if pages stay */
  remove(nid: number, device: CompressingDevice): number {
    this.stopByNode.get(nid)?.();
    const rc = this.hotplug.offline_and_remove_private_memory(nid);
    if (rc < 0) {
      this.stopByNode.set(nid, this.pressure.start(nid, device));
      return rc;
    }
    this.cram.cram_unregister_private_node(nid);
    return 0;
  }
}
const CxlCompressionToken = createToken<CxlCompression>('CxlCompression');

/**
 * Plugin: the device's memory on a private node, held safe by CRAM. Needs `nodePrivate()` and
 *         `cram()`.
 */
export function cxlCompression(options: DriverOptions): Plugin {
  const name = 'cxl-compression';
  return {
    name,
    register: (services) => services.bind(CxlCompressionToken, CxlCompression),
    probe(services) {
      const device = services.get(deviceToken(options.device ?? 'cxl0'));
      const rc = services.get(CxlCompressionToken).probe(options.nid, device);
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
    remove(services) {
      const device = services.get(deviceToken(options.device ?? 'cxl0'));
      const rc = services.get(CxlCompressionToken).remove(options.nid, device);
      if (rc < 0) throw new MmError('NODE_REFUSED', { plugin: name, errno: -rc });
    },
  };
}
