export { CRAM_FLAGS, Cram, CramToken } from './cram.js';
export { CramEntry, CramEntryToken, type EntryRequest } from './entry.js';
export { CramFree, CramFreeToken, type FlushCallback } from './free.js';
export { CramConfig, type CramMends, MENDED_FOR_CRAM } from './mends.js';
export { CRAM_PRESSURE_MAX, type CramNode } from './node.js';
export { type CramOptions, cram } from './plugin.js';
export {
  type AdmissionFilter,
  AdmissionFilterToken,
  admitAll,
  type CameIn,
} from './policy/admission-filter.js';
export { Balloon, BalloonToken, type TrimCallback } from './policy/balloon.js';
export { type BalloonOptions, balloon, noPressure } from './policy/balloon-plugin.js';
export { type CramSwapOptions, cramSwap } from './policy/cram-swap.js';
export { FOUR_PHASES, fourPhase, type Phase } from './policy/four-phase.js';
export { HotPages, type HotPagesOptions, HotPagesToken, hotPages } from './policy/hot-pages.js';
export {
  bangBang,
  type DeviceUsage,
  type PressureCause,
  type PressureController,
  type PressurePolicy,
  PressurePolicyToken,
  pressurePolicy,
  type ThresholdMarks,
} from './policy/pressure-controller.js';
export {
  type JoinDevice,
  PressureLoop,
  PressureLoopToken,
  type StopPressure,
} from './policy/pressure-loop.js';
export { type ProportionalOptions, proportional } from './policy/proportional.js';
export { type RememberAndRejectOptions, rememberAndReject } from './policy/remember-and-reject.js';
export { looksCompressible, sampledEstimate } from './policy/sampled-estimate.js';
export { type TokenBucketOptions, tokenBucket } from './policy/token-bucket.js';
export {
  safeWritableFraction,
  type WritableFractionOptions,
  writableFraction,
  writableFractionPolicy,
} from './policy/writable-fraction.js';
export { WritablePages, WritablePagesToken } from './policy/writable-pages.js';
export {
  neverWritable,
  type WritePolicy,
  WritePolicyToken,
  type WriteState,
} from './policy/write-policy.js';
export { CramPromotion, CramPromotionToken } from './promotion.js';
