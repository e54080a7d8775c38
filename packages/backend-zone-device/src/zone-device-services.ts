import type { Services } from '@mm-lab/mm-core';
import { DeviceCopy, DeviceCopyToken } from './device-copy.js';
import { DevicePrivateEntries, DevicePrivateEntriesToken } from './device-private-entry.js';
import { DeviceSplit, DeviceSplitToken } from './device-split.js';
import { InsertPage, InsertPageToken } from './insert-page.js';
import { Memremap, MemremapToken } from './memremap.js';
import { MigrateCollect, MigrateCollectToken } from './migrate-collect.js';
import { MigrateDevice, MigrateDeviceToken } from './migrate-device.js';
import { MigrateInsert, MigrateInsertToken } from './migrate-insert.js';
import { MigrateInstall, MigrateInstallToken } from './migrate-install.js';
import { MigrateUnmap, MigrateUnmapToken } from './migrate-unmap.js';
import { MigrateVma, MigrateVmaToken } from './migrate-vma.js';

/**
 * Binds what every ZONE_DEVICE driver uses: page maps, entries, migration. For the `register` of a
 * driver's plugin; the second driver of a machine finds it bound.
 */
export function bindZoneDevice(services: Services): void {
  if (services.has(MemremapToken)) return;
  services.bind(MemremapToken, Memremap);
  services.bind(InsertPageToken, InsertPage);
  services.bind(DevicePrivateEntriesToken, DevicePrivateEntries);
  services.bind(DeviceSplitToken, DeviceSplit);
  services.bind(MigrateInsertToken, MigrateInsert);
  services.bind(MigrateCollectToken, MigrateCollect);
  services.bind(MigrateUnmapToken, MigrateUnmap);
  services.bind(MigrateInstallToken, MigrateInstall);
  services.bind(MigrateVmaToken, MigrateVma);
  services.bind(MigrateDeviceToken, MigrateDevice);
  services.bind(DeviceCopyToken, DeviceCopy);
}
