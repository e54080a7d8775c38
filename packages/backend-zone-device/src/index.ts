export { BackgroundThread, type ThreadParts } from './compress-driver/background-thread.js';
export {
  ColdPages,
  type ColdPagesParts,
  type ColdRun,
  type SearchLimit,
} from './compress-driver/cold-pages.js';
export { CompressDriver } from './compress-driver/compress-driver.js';
export { Demoter } from './compress-driver/demoter.js';
export { DevicePages } from './compress-driver/device-pages.js';
export type { DriverCounts } from './compress-driver/driver-counts.js';
export { type DriverParts, driverParts } from './compress-driver/driver-parts.js';
export { type AllocRam, Evictor } from './compress-driver/evictor.js';
export { Headroom } from './compress-driver/headroom.js';
export { migrateToRam } from './compress-driver/migrate-to-ram.js';
export { RamPressure } from './compress-driver/ram-pressure.js';
export {
  type ZoneDeviceCompressPlugin,
  zoneDeviceCompress,
} from './compress-driver/zone-device-compress.js';
export type {
  ZoneDeviceCompressOptions,
  ZoneDeviceCompressSettings,
} from './compress-driver/zone-device-compress-options.js';
export { DevPagemap, type DevPagemapOps, type DevPagemapRequest } from './dev-pagemap.js';
export { DeviceCopy, DeviceCopyToken } from './device-copy.js';
export { DevicePrivateEntries, DevicePrivateEntriesToken } from './device-private-entry.js';
export {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
} from './memory-type.js';
export { Memremap, MemremapToken } from './memremap.js';
export { type MigrateEntries, type MigrateVmaArgs, migrateVmaArgs } from './migrate-args.js';
export { MigrateCollect, MigrateCollectToken } from './migrate-collect.js';
export { MigrateDevice, MigrateDeviceToken } from './migrate-device.js';
export { MigrateInstall, MigrateInstallToken } from './migrate-install.js';
export {
  MIGRATE_PFN_COMPOUND,
  MIGRATE_PFN_MIGRATE,
  MIGRATE_PFN_VALID,
  MIGRATE_PFN_WRITE,
  MIGRATE_VMA_SELECT_DEVICE_COHERENT,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfn,
  migratePfnToPage,
  withoutMigrate,
} from './migrate-pfn.js';
export { dropEntry, MigrateUnmap, MigrateUnmapToken } from './migrate-unmap.js';
export { MigrateVma, MigrateVmaToken } from './migrate-vma.js';
export { bindZoneDevice } from './zone-device-services.js';
