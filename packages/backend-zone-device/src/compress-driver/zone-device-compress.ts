import {
  type Clock,
  ClockToken,
  deviceToken,
  MigrateToken,
  mustSucceed,
  type Plugin,
  type Services,
} from '@mm-lab/mm-core';
import { bindZoneDevice } from '../zone-device-services.js';
import { BackgroundThread } from './background-thread.js';
import { CompressDriver } from './compress-driver.js';
import { driverParts } from './driver-parts.js';
import { settingsOf, type ZoneDeviceCompressOptions } from './zone-device-compress-options.js';

/** A plugin that can be asked for its driver, for checks and tests. */
export interface ZoneDeviceCompressPlugin extends Plugin {
  /** The driver of the machine this plugin was probed in; null before. */
  driver(): CompressDriver | null;
}

/**
 * Compressed RAM the ZONE_DEVICE way: DEVICE_PRIVATE pages, the driver's own free list, ageing,
 * demotion and eviction, and a fault for every access to what it moved. The device's plugin stands
 * before it in the array; the node is possible and not online.
 *
 * `remove` brings everything back to RAM and kills nobody for it; it throws MmError NODE_REFUSED
 * with EBUSY if RAM can't take all, and the driver goes on.
 *
 * @throws MmError DEVICE_BAD_OPTION for an option out of range
 */
export function zoneDeviceCompress(options: ZoneDeviceCompressOptions): ZoneDeviceCompressPlugin {
  const settings = settingsOf(options);
  let driver: CompressDriver | null = null;
  let thread: BackgroundThread | null = null;
  let unplugged = 0;
  return {
    name: settings.name,
    driver: () => driver,
    register: bindZoneDevice,
    probe: (services) => {
      const parts = driverParts(services);
      const device = services.get(deviceToken(settings.device));
      const made = new CompressDriver(parts, device, settings);
      const actor = new BackgroundThread(parts, made);
      device.onThreshold((kind) => actor.onThreshold(kind));
      parts.shrinkers.register(made);
      actor.start();
      driver = made;
      thread = actor;
    },
    remove: (services) => {
      if (driver === null) return;
      const { shrinkers } = driverParts(services);
      thread?.stop();
      shrinkers.unregister(driver);
      waitForBatches(services);
      const rc = driver.unplug();
      if (rc === 0) {
        unplugged = 1;
        return;
      }
      shrinkers.register(driver);
      thread?.start();
      mustSucceed(settings.name, rc, `RAM has no room for ${driver.pages.inUse} pages`);
    },
    stats: () => (driver === null ? {} : statsOf(driver, unplugged)),
  };
}

/** Lets batches under way end. */
function waitForBatches(services: Services): void {
  const clock: Clock = services.get(ClockToken);
  const migrate = services.get(MigrateToken);
  for (let events = 0; migrate.busy() && events < EVENTS_MAX; events++) {
    clock.advance(clock.deadline() - clock.now);
  }
}

const EVENTS_MAX = 1_000_000;

function statsOf(driver: CompressDriver, unplugged: number): Record<string, number> {
  const { counts, pages, cold } = driver;
  return {
    'migrate.promoted': counts.promoted + counts.evicted,
    'migrate.demoted': counts.demoted,
    'zone_device.faults': counts.faults,
    'zone_device.faults_oom': counts.faultsOom,
    'zone_device.demoted_by_shrinker': counts.demotedByShrinker,
    'zone_device.evictions': counts.evicted,
    'zone_device.refused': counts.refused,
    'zone_device.dropped_out': counts.droppedOut,
    'zone_device.store_failed': counts.storeFailed,
    'zone_device.pages_in_use': pages.inUse,
    'zone_device.pages_in_use.peak': pages.usedPeak,
    'zone_device.free_pages': pages.free,
    'zone_device.entries_scanned': cold.scanned,
    'zone_device.interrupts.low': counts.interruptsLow,
    'zone_device.interrupts.high': counts.interruptsHigh,
    'zone_device.unplugged': unplugged,
  };
}
