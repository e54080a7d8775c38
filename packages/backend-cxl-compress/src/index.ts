export { CxlCompressDevice, type CxlCompressParts } from './device/cxl-compress-device.js';
export type {
  CxlCompressOptions,
  CxlCompressSettings,
  InterruptFaults,
} from './device/cxl-compress-options.js';
export { cxlCompressDevice } from './device/cxl-compress-plugin.js';
export {
  HIGH_THRESHOLD_VECTOR,
  type InterruptCounts,
  LOW_THRESHOLD_VECTOR,
} from './device/threshold-interrupts.js';
export { cxlCompression } from './driver/compression.js';
export { cxlSysram, type DriverOptions } from './driver/sysram.js';
