import {
  type AllocMpol,
  AllocMpolToken,
  type Contents,
  ContentsToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  type MirrorParts,
  type Mms,
  MmsToken,
  mirrorParts,
  type PageAlloc,
  PageAllocToken,
  type Ptes,
  PtesToken,
  type Services,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type DeviceCopy, DeviceCopyToken } from '../device-copy.js';
import { type Memremap, MemremapToken } from '../memremap.js';
import { type MigrateDevice, MigrateDeviceToken } from '../migrate-device.js';
import { type MigrateVma, MigrateVmaToken } from '../migrate-vma.js';

/** What the test device uses of the core and of this package. */
export interface DmirrorParts {
  readonly table: FolioTable;
  readonly folios: Folios;
  readonly ptes: Ptes;
  readonly contents: Contents;
  readonly mms: Mms;
  readonly pageAlloc: PageAlloc;
  readonly allocMpol: AllocMpol;
  readonly work: Work;
  readonly memremap: Memremap;
  readonly migrateVma: MigrateVma;
  readonly migrateDevice: MigrateDevice;
  readonly deviceCopy: DeviceCopy;
  readonly mirror: MirrorParts;
}

export function dmirrorParts(services: Services): DmirrorParts {
  return {
    table: services.get(FolioTableToken),
    folios: services.get(FoliosToken),
    ptes: services.get(PtesToken),
    contents: services.get(ContentsToken),
    mms: services.get(MmsToken),
    pageAlloc: services.get(PageAllocToken),
    allocMpol: services.get(AllocMpolToken),
    work: services.get(WorkToken),
    memremap: services.get(MemremapToken),
    migrateVma: services.get(MigrateVmaToken),
    migrateDevice: services.get(MigrateDeviceToken),
    deviceCopy: services.get(DeviceCopyToken),
    mirror: mirrorParts(services),
  };
}
