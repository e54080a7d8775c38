import {
  type Clock,
  ClockToken,
  type Contents,
  ContentsToken,
  CostModel,
  deviceToken,
  inject,
  injectable,
  PageData,
  type Plugin,
  Tracepoints,
} from '@mm-lab/mm-core';
import { CxlCompressDevice, type DeviceHost } from './cxl-compress-device.js';
import { type CxlCompressOptions, choicesOf, settingsOf } from './cxl-compress-options.js';

/**
 * Plugs a compressing CXL device into the machine, for a driver to find under
 * `deviceToken(name)`. Alone it does nothing: a driver says what its memory is.
 *
 * @throws MmError DEVICE_BAD_OPTION for an option out of range
 */
export function cxlCompressDevice(options: CxlCompressOptions): Plugin {
  const choices = choicesOf(options);
  const token = deviceToken(choices.name);

  @injectable()
  class BoundDevice extends CxlCompressDevice {
    constructor(
      @inject(ClockToken) clock: Clock,
      @inject(PageData) data: PageData,
      @inject(Tracepoints) tracepoints: Tracepoints,
      @inject(CostModel) cost: CostModel,
    ) {
      super(settingsOf(choices, cost), { clock, data, tracepoints });
    }
  }

  return {
    name: choices.name,
    register: (services) => services.bind(token, BoundDevice),
    probe(services) {
      const device = services.get(token);
      if (device instanceof CxlCompressDevice) device.host = hostOf(services.get(ContentsToken));
    },
    stats: (services) => {
      const device = services.get(token);
      return device instanceof CxlCompressDevice ? device.stats() : {};
    },
  };
}

/** Pages whose contents change without a store: whoever checked them before checks them anew. */
function hostOf(contents: Contents): DeviceHost {
  return {
    zeroed(pfn) {
      contents.discard(pfn);
      contents.onChangedBehind(pfn);
    },
    lost: (pfn) => contents.lose(pfn),
  };
}
