import { MmError, PAGE_SIZE } from '@mm-lab/mm-core';

/** The compressed-RAM driver of the ZONE_DEVICE way. */
export interface ZoneDeviceCompressOptions {
  /** Name of the device, whose plugin stands before this one. Default 'cxl0'. */
  readonly device?: string;
  /** Node whose range the device backs: possible, not online. */
  readonly nid: number;
  /** Name of the plugin. Default 'zone-device:' and the device's name. */
  readonly name?: string;
  /** Pages per migration, 1..512. Default 32, reclaim's SWAP_CLUSTER_MAX. */
  readonly batchPages?: number;
  /** Real capacity that is never used, in bytes. Default one batch of raw pages. */
  readonly reserveBytes?: number;
  /**
   * What a page takes at worst, in bytes: above 4096 if the device keeps metadata. Default 4096.
   */
  readonly storeBytesMax?: number;
  /** Background demotion starts when a node has less free than this times its high mark. */
  readonly startFactor?: number;
  /**
   * And ends when it has this times its high mark. At least `startFactor`. Default 1.1 and 1.3:
   * what is kept free is taken from the working set, and bursts are what the shrinker is for. */
  readonly stopFactor?: number;
  /** Longest and shortest sleep of the background thread, in ns. Default 10 ms and 1 ms. */
  readonly pollNsMax?: number;
  readonly pollNsMin?: number;
  /** Page-table entries looked at per step of the background thread. Default 512. */
  readonly scanEntries?: number;
  /** Time of one round of ageing, in ns: the unit of a page's age. Default 100 ms. */
  readonly lapNs?: number;
  /**
   * Who stops demoting while the device says 'low'. Default 'background': a direct reclaimer, whose
   * other choice is to kill, may go on down to the reserve; that is safe, as nobody else stores.
   */
  readonly lowStops?: 'background' | 'all';
}

/** Options with every default filled in and every rule checked. */
export type ZoneDeviceCompressSettings = Readonly<Required<ZoneDeviceCompressOptions>>;

/**
 * Fills in defaults and checks.
 *
 * @throws MmError DEVICE_BAD_OPTION that names the option, its value and its range
 */
export function settingsOf(options: ZoneDeviceCompressOptions): ZoneDeviceCompressSettings {
  const device = options.device ?? 'cxl0';
  const batchPages = options.batchPages ?? 32;
  const startFactor = options.startFactor ?? 1.1;
  const settings: ZoneDeviceCompressSettings = {
    device,
    nid: options.nid,
    name: options.name ?? `zone-device:${device}`,
    batchPages,
    reserveBytes: options.reserveBytes ?? batchPages * PAGE_SIZE,
    storeBytesMax: options.storeBytesMax ?? PAGE_SIZE,
    startFactor,
    stopFactor: options.stopFactor ?? Math.max(1.3, startFactor),
    pollNsMax: options.pollNsMax ?? 10_000_000,
    pollNsMin: options.pollNsMin ?? 1_000_000,
    scanEntries: options.scanEntries ?? 512,
    lapNs: options.lapNs ?? 100_000_000,
    lowStops: options.lowStops ?? 'background',
  };
  check(settings);
  return Object.freeze(settings);
}

function check(settings: ZoneDeviceCompressSettings): void {
  const within = (option: keyof ZoneDeviceCompressSettings, min: number, max: number): void => {
    const value = Number(settings[option]);
    if (value >= min && value <= max) return;
    const detail = `${option} is ${settings[option]}, not in ${min}..${max}`;
    throw new MmError('DEVICE_BAD_OPTION', { plugin: settings.name, detail });
  };
  within('nid', 0, 63);
  within('batchPages', 1, 512);
  within('reserveBytes', 0, Number.MAX_SAFE_INTEGER);
  within('storeBytesMax', PAGE_SIZE, 2 * PAGE_SIZE);
  within('startFactor', 1, 1000);
  within('stopFactor', settings.startFactor, 1000);
  within('pollNsMin', 1000, settings.pollNsMax);
  within('pollNsMax', 1000, 10_000_000_000);
  within('lapNs', 1_000_000, 1_000_000_000_000);
  within('scanEntries', 1, 1 << 20);
}
