export type { PageData } from '@mm-lab/mm-core';
export { type ClockPolicyOptions, clockMisses } from './analysis/clock-policy.js';
export { fifoMisses } from './analysis/fifo.js';
export { lruMisses } from './analysis/lru.js';
export { nextUses, optMisses } from './analysis/opt.js';
export {
  missCurve,
  missesAt,
  type StackDistances,
  stackDistances,
} from './analysis/stack-distances.js';
export {
  type KindCount,
  type SummaryOptions,
  type TraceSummary,
  traceSummary,
  type WindowSummary,
} from './analysis/trace-summary.js';
export { type WorkingSetPoint, workingSetCurve } from './analysis/working-set.js';
export { BLOCK_BYTES_MIN, checkBlockBytes, sizeInBlocks } from './codec/block-size.js';
export { type Codec, codecNames, codecOf } from './codec/codec.js';
export { concatTraces } from './generators/concat.js';
export { type GeneratorOptions, shuffled } from './generators/generator-options.js';
export { type HotColdOptions, hotColdTrace } from './generators/hot-cold.js';
export { listTrace } from './generators/page-list.js';
export { type PhasedOptions, phasedTrace } from './generators/phases.js';
export { scanTrace } from './generators/scan.js';
export { uniformTrace } from './generators/uniform.js';
export { type ZipfOptions, zipfTrace } from './generators/zipf.js';
export type { BoundedPageData } from './pages/bounded-page-data.js';
export { type CapturedPagesOptions, capturedPages } from './pages/captured-pages.js';
export { type CorePages, coreBytes, coreIndexOf, PAGE_BYTES } from './pages/core-pages.js';
export type { PageCapture } from './pages/page-capture.js';
export { RATIO_MAX, type RatioDistribution } from './pages/ratio-distribution.js';
export {
  PAGE_FILL,
  PAGE_KIND,
  SIZE_COLUMNS,
  type SizeColumn,
  type SizesTable,
} from './pages/sizes-table.js';
export {
  type DriftingPagesOptions,
  driftingPages,
  type SyntheticPagesOptions,
  syntheticPages,
} from './pages/synthetic-pages.js';
export type { Compression, ReadProgress } from './read/byte-source.js';
export { type CaptureFiles, readCapture } from './read/capture-reader.js';
export { readCore } from './read/core-reader.js';
export { readDescription } from './read/description-reader.js';
export { readEvents } from './read/events-reader.js';
export { detectFormat, FILE_FORMATS, type FileFormat } from './read/file-format.js';
export { type LackeyReadOptions, readLackey } from './read/lackey-reader.js';
export { type OpenTraceOptions, openTrace } from './read/open-trace.js';
export { readPageTrace } from './read/page-trace-reader.js';
export type { ReadOptions, TraceReadOptions } from './read/read-options.js';
export { readSizes } from './read/sizes-reader.js';
export {
  SHIPPED_TRACES,
  type ShippedTrace,
  type ShippedTraceName,
  shippedLackey,
  shippedTrace,
} from './shipped-trace.js';
export type {
  AddressSpaceEvent,
  AdviseEvent,
  MappingEvent,
  MappingKind,
  PlainRangeEvent,
  RemapEvent,
  SyscallEvent,
  ThreadEvent,
} from './trace/address-space-event.js';
export {
  ACCESS_KIND,
  ACCESS_LETTERS,
  type PageTrace,
  REGION_PAGES,
  REGION_SHIFT,
  slotCount,
  VPN_LIMIT,
  vpnOfRow,
  vpnOfSlot,
} from './trace/page-trace.js';
export type { LruPoint, Snapshot, TraceDescription } from './trace/trace-description.js';
export {
  TRACE_ERRORS,
  TraceError,
  type TraceErrorCode,
  type TraceErrorDetails,
} from './trace/trace-error.js';
export { TRACE_LIMITS, type TraceLimits } from './trace/trace-limits.js';
export { type WriteOptions, writePageTrace } from './write/page-trace-writer.js';
