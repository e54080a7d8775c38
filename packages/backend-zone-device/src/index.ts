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
export { DeviceSplit, DeviceSplitToken } from './device-split.js';
export { InsertPage, InsertPageToken } from './insert-page.js';
export {
  freeReferences,
  isDriverAllocated,
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_FS_DAX,
  MEMORY_DEVICE_GENERIC,
  MEMORY_DEVICE_PCI_P2PDMA,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
} from './memory-type.js';
export { Memremap, MemremapToken } from './memremap.js';
export { type MigrateEntries, type MigrateVmaArgs, migrateVmaArgs, vmaOf } from './migrate-args.js';
export { MigrateCollect, MigrateCollectToken } from './migrate-collect.js';
export { MigrateDevice, MigrateDeviceToken } from './migrate-device.js';
export { HoleFiller, MigrateInsert, MigrateInsertToken } from './migrate-insert.js';
export { MigrateInstall, MigrateInstallToken } from './migrate-install.js';
export {
  MIGRATE_PFN_COMPOUND,
  MIGRATE_PFN_MIGRATE,
  MIGRATE_PFN_VALID,
  MIGRATE_PFN_WRITE,
  MIGRATE_VMA_SELECT_COMPOUND,
  MIGRATE_VMA_SELECT_DEVICE_COHERENT,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfn,
  migratePfnToPage,
  withoutMigrate,
} from './migrate-pfn.js';
export { dropEntry, MigrateUnmap, MigrateUnmapToken } from './migrate-unmap.js';
export { MigrateVma, MigrateVmaToken } from './migrate-vma.js';
export {
  Dmirror,
  HMM_DMIRROR_FLAG_FAIL_ALLOC,
  HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL,
  HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE,
  HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL,
  HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE,
  HMM_DMIRROR_PROT_ERROR,
  HMM_DMIRROR_PROT_PMD,
  HMM_DMIRROR_PROT_READ,
  HMM_DMIRROR_PROT_WRITE,
  HMM_DMIRROR_PROT_ZERO,
} from './test-hmm/dmirror.js';
export type { DmirrorChunk } from './test-hmm/dmirror-chunk.js';
export { DmirrorDevice, type DmirrorDeviceOptions } from './test-hmm/dmirror-device.js';
export { type DmirrorParts, dmirrorParts } from './test-hmm/dmirror-parts.js';
export { type TestHmmOptions, type TestHmmPlugin, testHmm } from './test-hmm/test-hmm.js';
export { bindZoneDevice } from './zone-device-services.js';
