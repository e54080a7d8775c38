export {
  CxlCompressDevice,
  type CxlCompressParts,
  type DeviceHost,
} from './device/cxl-compress-device.js';
export type { CxlCompressOptions, CxlCompressSettings } from './device/cxl-compress-options.js';
export { cxlCompressDevice } from './device/cxl-compress-plugin.js';
export type {
  DeviceFaults,
  FaultOptions,
  InterruptFaults,
  MailboxFaults,
  PoisonFaults,
} from './device/faults.js';
export type { HostCacheOptions } from './device/host-cache.js';
export type { HotPageOptions } from './device/hot-page-monitor.js';
export { type Answer, Mailbox, type MailboxCounts, type Polling } from './device/mailbox.js';
export type { MailboxOptions, MailboxSettings } from './device/mailbox-options.js';
export { type DpaRange, type MediaOperation, mediaZero } from './device/media-operation.js';
export type { RatioPoint, SizeSource } from './device/size-source.js';
export {
  HIGH_THRESHOLD_VECTOR,
  type InterruptCounts,
  LOW_THRESHOLD_VECTOR,
} from './device/threshold-interrupts.js';
export {
  type CompressingRegion,
  CxlCompression,
  CxlCompressionToken,
  cxlCompression,
} from './driver/compression.js';
export type { CompressionOptions, CompressionSettings } from './driver/compression-options.js';
export { CxlMemdev, type CxlMemdevOptions, type HpaWindow } from './driver/cxl-memdev.js';
export type { CxlRegion, PartitionMode } from './driver/cxl-region.js';
export { type CxlSysramOptions, cxlSysram } from './driver/cxl-sysram.js';
export type { DriverOptions } from './driver/driver-options.js';
export { FlushBitmap } from './driver/flush-bitmap.js';
export { CxlMempolicy, CxlMempolicyToken, cxlMempolicy } from './driver/mempolicy.js';
export {
  type CxlSysram,
  CxlSysrams,
  CxlSysramsToken,
  type PrivateSysram,
} from './driver/sysram.js';
