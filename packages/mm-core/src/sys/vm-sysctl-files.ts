import { inject, injectable } from '../base/di.js';
import { Sysctl } from '../mm/sysctl.js';
import { type Watermarks, WatermarksToken } from '../mm/watermarks.js';
import { booleanFile, numberFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const SWAPPINESS_MAX = 200;
const SCALE_FACTOR_MAX = 3000;

/** The tunables of /proc/sys/vm and /sys/kernel/mm that are plain numbers (kernel/sysctl.c). */
@injectable()
export class VmSysctlFiles implements PseudoFileSource {
  constructor(
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WatermarksToken) private readonly watermarks: Watermarks,
  ) {}

  addTo(files: PseudoFiles): void {
    const { sysctl, watermarks } = this;
    const vm = (name: string, file: Parameters<typeof numberFile>[0]): void =>
      files.add(`/proc/sys/vm/${name}`, numberFile(file));
    vm('swappiness', {
      get: () => sysctl.swappiness,
      set: (value) => {
        sysctl.swappiness = value;
        return 0;
      },
      max: SWAPPINESS_MAX,
    });
    vm('min_free_kbytes', {
      get: () => watermarks.minFreeKbytes,
      set: (value) => {
        watermarks.writeMinFreeKbytes(value);
        return 0;
      },
    });
    vm('watermark_scale_factor', {
      get: () => sysctl.watermark_scale_factor,
      set: (value) => {
        watermarks.writeScaleFactor(value);
        return 0;
      },
      min: 1,
      max: SCALE_FACTOR_MAX,
    });
    files.add(
      '/sys/kernel/mm/numa/demotion_enabled',
      booleanFile(
        () => sysctl.demotion_enabled,
        (value) => {
          sysctl.demotion_enabled = value;
        },
      ),
    );
  }
}
