export { PAGE_SIZE } from './abi/zone.js';
export { AssertionError, assert, defined } from './base/assert.js';
export { Clock, type EventHandler, type ScheduledEvent } from './base/clock.js';
export { ClockToken } from './base/clock-token.js';
export {
  type Constructor,
  createServices,
  createToken,
  inject,
  injectable,
  type Services,
  type Token,
} from './base/di.js';
export { Prng } from './base/prng.js';
export {
  type LoadedTier,
  loadedLatency,
  meanSojournRatio,
  meanWaitRatio,
  type QueueModel,
  REFUSED,
  ServerQueue,
  type ServerQueueStats,
} from './base/server-queue.js';
export { ERRORS, type ErrorCode, type ErrorDetails, MmError } from './hooks/errors.js';
export {
  type CompressingDevice,
  type DeviceBinding,
  deviceToken,
  type MemoryDevice,
  type ThresholdKind,
} from './hooks/memory-device.js';
export { PageData } from './hooks/page-data.js';
export type { Plugin } from './hooks/plugin.js';
export {
  createTracepoints,
  TRACEPOINT_FIELDS,
  type TraceListener,
  Tracepoint,
  type TracepointName,
  Tracepoints,
} from './hooks/tracepoints.js';
