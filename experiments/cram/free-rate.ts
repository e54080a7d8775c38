/** What rows 29 and H5 share: pages of the device that are freed at a rate. */
import type { CompressionOptions, CxlCompressOptions } from '@mm-lab/backend-cxl-compress';
import { cramLab, DEVICE, pageRange, writer } from './kit.ts';

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
const DEVICE_PAGES = 8192;

/** How pages are freed. */
export interface FreeRate {
  /** Pages that one munmap frees. */
  readonly burst: number;
  readonly pagesPerSecond: number;
  /** How long, in ms. */
  readonly runMs: number;
  readonly driver: Partial<CompressionOptions>;
  readonly device?: Partial<CxlCompressOptions>;
}

/** What became of the freed pages. */
export interface FreeOutcome {
  readonly freed: number;
  readonly limboPeak: number;
  readonly limboMean: number;
  readonly overflowZeroings: number;
  readonly commands: number;
  /** From the free of a page that waited to its return to the allocator, in ms. */
  readonly reuseMsMean: number;
  readonly reuseMsMax: number;
  readonly lost: number;
}

/** A task frees its pages on the device from the first on, at a rate, under the flush pipeline. */
export function freeAtRate({
  burst,
  pagesPerSecond,
  runMs,
  driver,
  device,
}: FreeRate): FreeOutcome {
  const pages = Math.floor((pagesPerSecond * runMs) / 1000 / burst) * burst;
  const lab = cramLab({
    dramPages: DEVICE_PAGES + 1024,
    devicePages: DEVICE_PAGES,
    driver: { flush: 'buffers', ...driver },
    ...(device && { device }),
  });
  const { machine } = lab;
  const task = writer(machine, 'frees', pages);
  if (task.movePages(pageRange(pages), DEVICE).rc !== 0) throw new Error('the pages did not move');
  const from = machine.clock.now;
  for (let freed = 0; freed < pages; freed += burst) {
    const due = from + (freed / pagesPerSecond) * NS_PER_S;
    machine.sleep(Math.max(0, due - machine.clock.now));
    task.munmap(freed, burst);
  }
  machine.sleep(Math.max(0, from + runMs * NS_PER_MS - machine.clock.now));
  machine.verify();
  const stats = machine.stats();
  const of = (name: string): number => stats[name] ?? 0;
  return {
    freed: pages,
    limboPeak: of('flush.limbo_pages.peak'),
    limboMean: of('flush.limbo_pages.mean'),
    overflowZeroings: of('flush.overflow_zeroings'),
    commands: of('flush.commands'),
    reuseMsMean: of('flush.reuse_ns.mean') / NS_PER_MS,
    reuseMsMax: of('flush.reuse_ns.max') / NS_PER_MS,
    lost: of('integrity.lost_pages') + of('integrity.stale_reads'),
  };
}
