import { inject, injectable } from '../base/di.js';
import { type NumaScan, NumaScanToken } from '../mm/numa-scan.js';
import { Sysctl } from '../mm/sysctl.js';
import { numberFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const DEBUG = '/sys/kernel/debug/sched/numa_balancing';
const MODE_MAX = 4;

/** Tunables by their files in debugfs. */
const TUNABLES = {
  scan_delay_ms: 'numa_balancing_scan_delay_ms',
  scan_period_min_ms: 'numa_balancing_scan_period_min_ms',
  scan_period_max_ms: 'numa_balancing_scan_period_max_ms',
  scan_size_mb: 'numa_balancing_scan_size_mb',
  hot_threshold_ms: 'numa_balancing_hot_threshold_ms',
} as const;

/** The switches of NUMA balancing (kernel/sched/core.c, kernel/sched/debug.c). */
@injectable()
export class NumaBalancingFiles implements PseudoFileSource {
  constructor(
    @inject(NumaScanToken) private readonly scan: NumaScan,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  addTo(files: PseudoFiles): void {
    const { scan, sysctl } = this;
    files.add(
      '/proc/sys/kernel/numa_balancing',
      numberFile({
        get: () => sysctl.numa_balancing,
        set: (value) => {
          sysctl.numa_balancing = value;
          scan.start();
          return 0;
        },
        max: MODE_MAX,
      }),
    );
    const number = (path: string, name: (typeof TUNABLES)[keyof typeof TUNABLES] | typeof RATE) =>
      files.add(
        path,
        numberFile({
          get: () => sysctl[name],
          set: (value) => {
            sysctl[name] = value;
            return 0;
          },
        }),
      );
    for (const [file, name] of Object.entries(TUNABLES)) number(`${DEBUG}/${file}`, name);
    number('/proc/sys/kernel/numa_balancing_promote_rate_limit_MBps', RATE);
  }
}

const RATE = 'numa_balancing_promote_rate_limit_MBps';
