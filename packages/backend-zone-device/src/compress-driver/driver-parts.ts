import {
  type Clock,
  ClockToken,
  type Contents,
  ContentsToken,
  CostModel,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  type Managed,
  ManagedToken,
  type Mapping,
  MappingToken,
  Mempolicy,
  type Mms,
  MmsToken,
  type Nodes,
  NodesToken,
  type PageAlloc,
  PageAllocToken,
  type Ptes,
  PtesToken,
  type RmapWalk,
  RmapWalkToken,
  type Services,
  type Shrinkers,
  ShrinkersToken,
  type ShrinkFolioList,
  ShrinkFolioListToken,
  type Swap,
  SwapToken,
  type Work,
  WorkToken,
  type ZoneAlloc,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import { type DeviceCopy, DeviceCopyToken } from '../device-copy.js';
import { type Memremap, MemremapToken } from '../memremap.js';
import { type MigrateDevice, MigrateDeviceToken } from '../migrate-device.js';
import { type MigrateInstall, MigrateInstallToken } from '../migrate-install.js';
import { type MigrateVma, MigrateVmaToken } from '../migrate-vma.js';

/** What the driver uses of the machine and of ZONE_DEVICE; looked up once, in `probe`. */
export interface DriverParts {
  readonly table: FolioTable;
  readonly nodes: Nodes;
  readonly ptes: Ptes;
  readonly mms: Mms;
  readonly mapping: Mapping;
  readonly rmapWalk: RmapWalk;
  readonly managed: Managed;
  readonly contents: Contents;
  readonly folios: Folios;
  readonly pageAlloc: PageAlloc;
  readonly zoneAlloc: ZoneAlloc;
  readonly mempolicy: Mempolicy;
  readonly swap: Swap;
  readonly shrinkers: Shrinkers;
  readonly shrinkFolioList: ShrinkFolioList;
  readonly memremap: Memremap;
  readonly migrateVma: MigrateVma;
  readonly migrateDevice: MigrateDevice;
  readonly install: MigrateInstall;
  readonly deviceCopy: DeviceCopy;
  readonly cost: CostModel;
  readonly clock: Clock;
  readonly work: Work;
}

export function driverParts(services: Services): DriverParts {
  return {
    table: services.get(FolioTableToken),
    nodes: services.get(NodesToken),
    ptes: services.get(PtesToken),
    mms: services.get(MmsToken),
    mapping: services.get(MappingToken),
    rmapWalk: services.get(RmapWalkToken),
    managed: services.get(ManagedToken),
    contents: services.get(ContentsToken),
    folios: services.get(FoliosToken),
    pageAlloc: services.get(PageAllocToken),
    zoneAlloc: services.get(ZoneAllocToken),
    mempolicy: services.get(Mempolicy),
    swap: services.get(SwapToken),
    shrinkers: services.get(ShrinkersToken),
    shrinkFolioList: services.get(ShrinkFolioListToken),
    memremap: services.get(MemremapToken),
    migrateVma: services.get(MigrateVmaToken),
    migrateDevice: services.get(MigrateDeviceToken),
    install: services.get(MigrateInstallToken),
    deviceCopy: services.get(DeviceCopyToken),
    cost: services.get(CostModel),
    clock: services.get(ClockToken),
    work: services.get(WorkToken),
  };
}
