import { EINVAL } from '../abi/errno.js';
import { inject, injectable } from '../base/di.js';
import { Sysctl } from '../mm/sysctl.js';
import { type Truncate, TruncateToken } from '../mm/truncate.js';
import { type Watermarks, WatermarksToken } from '../mm/watermarks.js';
import { type ZoneAlloc, ZoneAllocToken } from '../mm/zone-alloc.js';
import {
  booleanFile,
  type NumberFile,
  numberFile,
  type PseudoFile,
  parseNumber,
} from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const SWAPPINESS_MAX = 200;
const SCALE_FACTOR_MAX = 3000;
/** Bit of vm.drop_caches for the page cache; the other is the slab's. */
const DROP_PAGECACHE = 1;

/** Tunables that are numbers and nothing else, with the range that the kernel takes. */
const PLAIN = {
  overcommit_memory: { min: 0, max: 2 },
  overcommit_ratio: { min: 0 },
  max_map_count: { min: 0 },
  mmap_min_addr: { min: 0 },
  zone_reclaim_mode: { min: 0 },
  stat_interval: { min: 0 },
} as const;

const PLAIN_NAMES = [
  'overcommit_memory',
  'overcommit_ratio',
  'max_map_count',
  'mmap_min_addr',
  'zone_reclaim_mode',
  'stat_interval',
] as const;

/** Adds a file of /proc/sys/vm. */
type AddNumber = (name: string, file: NumberFile) => void;

/** The tunables of /proc/sys/vm and /sys/kernel/mm that are plain numbers (kernel/sysctl.c). */
@injectable()
export class VmSysctlFiles implements PseudoFileSource {
  private dropCaches = 0;

  constructor(
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WatermarksToken) private readonly watermarks: Watermarks,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(TruncateToken) private readonly truncate: Truncate,
  ) {}

  addTo(files: PseudoFiles): void {
    const { sysctl } = this;
    const vm: AddNumber = (name, file) => files.add(`/proc/sys/vm/${name}`, numberFile(file));
    vm('swappiness', {
      get: () => sysctl.swappiness,
      set: (value) => {
        sysctl.swappiness = value;
        return 0;
      },
      max: SWAPPINESS_MAX,
    });
    this.addZoneFiles(files, vm);
    vm('drop_caches', {
      get: () => this.dropCaches,
      set: (value) => this.dropWhat(value),
      min: 1,
      max: 4,
    });
    for (const name of PLAIN_NAMES) {
      const set = (value: number): number => {
        sysctl[name] = value;
        return 0;
      };
      vm(name, { get: () => sysctl[name], set, ...PLAIN[name] });
    }
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

  /** Marks, reserves and stocks of the zones (mm/page_alloc.c:page_alloc_sysctl_table). */
  private addZoneFiles(files: PseudoFiles, vm: AddNumber): void {
    const { sysctl, watermarks } = this;
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
    vm('watermark_boost_factor', {
      get: () => sysctl.watermark_boost_factor,
      set: (value) => {
        watermarks.writeBoostFactor(value);
        return 0;
      },
    });
    vm('percpu_pagelist_high_fraction', {
      get: () => sysctl.percpu_pagelist_high_fraction,
      set: (value) => watermarks.writeHighFraction(value),
    });
    vm('defrag_mode', {
      get: () => Number(sysctl.defrag_mode),
      set: (value) => {
        sysctl.defrag_mode = value === 1;
        return 0;
      },
      max: 1,
    });
    vm('numa_stat', {
      get: () => Number(sysctl.numa_stat),
      set: (value) => {
        this.zoneAlloc.writeNumaStat(value === 1);
        return 0;
      },
      max: 1,
    });
    files.add('/proc/sys/vm/numa_zonelist_order', numaZonelistOrderFile);
    files.add('/proc/sys/vm/lowmem_reserve_ratio', {
      read: () => watermarks.lowmemReserveRatio.join('\t'),
      write: (text) => {
        const ratios = text.trim().split(/\s+/).map(parseNumber);
        const known = ratios.filter((ratio) => ratio !== null);
        if (known.length < ratios.length) return -EINVAL;
        watermarks.writeLowmemReserveRatio(known);
        return 0;
      },
    });
  }

  /** Clean pages go (fs/drop_caches.c). Simplified: there is no slab. */
  private dropWhat(value: number): number {
    this.dropCaches = value;
    if ((value & DROP_PAGECACHE) !== 0) this.truncate.dropClean();
    return 0;
  }
}

/** There is one order, by its first letter (mm/page_alloc.c:numa_zonelist_order_handler). */
const numaZonelistOrderFile: PseudoFile = {
  read: () => 'Node',
  write: (text) => (/^[dDnN]/.test(text) ? 0 : -EINVAL),
};
