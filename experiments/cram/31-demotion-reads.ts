/**
 * Row 31: does demotion read from the device? A copy with ordinary stores fetches each line of the
 * destination that the host's cache does not have, and writes it when the cache has no room for it
 * any more; non-temporal stores do neither. (Nikolakopoulos and Malek, 2026-05-26, "nt-demote")
 */
import type { HostCacheOptions } from '@mm-lab/backend-cxl-compress';
import { defineProbe, type Figures } from '@mm-lab/lab';
import type { Task } from '@mm-lab/mm-core';
import {
  bytes,
  type CramLab,
  cramLab,
  DEVICE,
  demote,
  MENDED_FOR_CRAM,
  onDevice,
  pageRange,
  rounded,
  writer,
} from './kit.ts';

const PAGES = 2048;
/** Pages that the host's cache has room for. */
const CACHE = 256;
const DISK = { kind: 'disk', pages: 8192 } as const;
const COPIES = ['ordinary', 'non-temporal'] as const;
/** Pages of one demotion, from a quarter of the cache to eight times it. */
const SIZES = [CACHE / 4, CACHE, 2 * CACHE, PAGES];

type Copies = (typeof COPIES)[number];
type Frames = 'never used' | 'scrubbed' | 'stale';
const FRAMES: readonly Frames[] = ['never used', 'scrubbed', 'stale'];

/** What the bus and the engine of the device saw, for each byte or page demoted. */
interface Traffic {
  readonly read: number;
  readonly written: number;
  /** Bytes that the host's cache still has to write. */
  readonly dirty: number;
  readonly expanded: number;
  readonly nsPerPage: number;
}

function labOf(copies: Copies, frames: Frames): CramLab {
  // Only the series as posted leaves frames unscrubbed (row 28).
  const nodePrivate =
    frames === 'stale' ? { ...MENDED_FOR_CRAM, reclaimFrees: 'v4' as const } : MENDED_FOR_CRAM;
  const hostCache: HostCacheOptions = { pages: CACHE, copies };
  const sizes = { dramPages: 2 * PAGES + 1024, devicePages: PAGES + 256 };
  return cramLab({ ...sizes, nodePrivate, swap: DISK, device: { hostCache } });
}

/** Makes the frames of the node what they shall be: other pages were there and have left. */
function prepare(lab: CramLab, frames: Frames): void {
  if (frames === 'never used') return;
  const { machine, cram } = lab;
  const before = onDevice(lab, 'cold', PAGES);
  if (frames === 'scrubbed') {
    before.exit();
    return;
  }
  cram?.cram_set_pressure(DEVICE, 1000);
  machine.sleep(1_000_000_000);
  cram?.cram_clear_pressure(DEVICE);
}

/** What one demotion of so many pages comes to at the device. */
function trafficOf(lab: CramLab, task: Task, pages: number): Traffic {
  const { machine } = lab;
  const before = machine.stats();
  const begin = machine.clock.now;
  let moved = 0;
  for (let from = 0; from < pages; from += 32) {
    moved += demote(lab, task, pageRange(Math.min(32, pages - from), from));
  }
  const ns = machine.clock.now - begin;
  const after = machine.stats();
  const grown = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
  machine.verify();
  if (moved !== pages) throw new Error(`${moved} of ${pages} pages were demoted`);
  return {
    read: grown('device.copy.read_bytes') / bytes(moved),
    written: grown('device.copy.written_bytes') / bytes(moved),
    dirty: grown('device.copy.dirty_pages') / moved,
    expanded: grown('device.engine.reads'),
    nsPerPage: ns / moved,
  };
}

/** A demotion into frames of one kind. */
function once(copies: Copies, frames: Frames, pages = PAGES): Traffic {
  const lab = labOf(copies, frames);
  prepare(lab, frames);
  return trafficOf(lab, writer(lab.machine, 'cold', pages), pages);
}

function probe(): Figures {
  const firsts = COPIES.flatMap((copies) =>
    FRAMES.map((frames) => ({ copies, frames, ...once(copies, frames) })),
  );
  const sizes = SIZES.map((pages) => ({ pages, ...once('ordinary', 'never used', pages) }));
  const of = (copies: Copies, frames: Frames): Traffic | undefined =>
    firsts.find((each) => each.copies === copies && each.frames === frames);
  const ordinary = of('ordinary', 'never used');
  const sparing = firsts.filter(({ copies }) => copies === 'non-temporal');
  return {
    values: {
      'ordinary.read_per_byte': ordinary?.read ?? 0,
      'ordinary.written_per_byte': ordinary?.written ?? 0,
      'ordinary.dirty_per_byte': ordinary?.dirty ?? 0,
      'ordinary.ns': ordinary?.nsPerPage ?? 0,
      'ordinary.expanded.scrubbed': of('ordinary', 'scrubbed')?.expanded ?? -1,
      'ordinary.expanded.stale': of('ordinary', 'stale')?.expanded ?? -1,
      'non_temporal.read_per_byte': Math.max(...sparing.map(({ read }) => read)),
      'non_temporal.written_per_byte': Math.min(...sparing.map(({ written }) => written)),
      'non_temporal.expanded': Math.max(...sparing.map(({ expanded }) => expanded)),
      'non_temporal.ns': of('non-temporal', 'never used')?.nsPerPage ?? 0,
      'sizes.not_accounted_for': sizes.filter(({ written, dirty }) => written + dirty !== 1).length,
    },
    tables: [
      {
        name: 'traffic',
        title: `${PAGES} pages are demoted; the host's cache has room for ${CACHE}`,
        chart: {
          kind: 'bars',
          x: ['copy', 'frames'],
          y: ['read ×', 'written ×'],
          title: 'times what was demoted',
        },
        columns: ['copy', 'frames', 'read ×', 'written ×', 'pages expanded', 'ns a page'],
        rows: firsts.map((one) => [
          one.copies,
          one.frames,
          rounded(one.read, 3),
          rounded(one.written, 3),
          one.expanded,
          Math.round(one.nsPerPage),
        ]),
      },
      {
        name: 'sizes',
        title: 'Ordinary stores, by the pages that are demoted at once',
        chart: { x: 'pages', y: ['read ×', 'written ×', 'still dirty in the cache ×'], xLog: true },
        columns: ['pages', 'read ×', 'written ×', 'still dirty in the cache ×'],
        rows: sizes.map(({ pages, read, written, dirty }) => [
          pages,
          rounded(read, 3),
          rounded(written, 3),
          rounded(dirty, 3),
        ]),
      },
    ],
  };
}

export default defineProbe({
  question: 'Does demotion read from the device that it writes to?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With ordinary stores the device is read as much as is demoted.',
      holds: (results) =>
        results
          .column('traffic', 'read ×')
          .slice(0, 2)
          .every((read) => read === 1),
    },
    {
      text: 'What is written is what is demoted, less what the host’s cache has yet to write.',
      holds: (results) =>
        results.figure('sizes.not_accounted_for') === 0 &&
        results.figure('ordinary.dirty_per_byte') === CACHE / PAGES,
    },
    {
      text: 'Non-temporal stores read nothing and write each byte once.',
      holds: (results) =>
        results.figure('non_temporal.read_per_byte') === 0 &&
        results.figure('non_temporal.written_per_byte') === 1,
    },
    {
      text: 'The fetches make demotion slower, by less than a fifth.',
      holds: (results) => {
        const ratio = results.figure('ordinary.ns') / results.figure('non_temporal.ns');
        return ratio > 1.02 && ratio < 1.2;
      },
    },
    {
      text: 'They wake the decompressor only where frames were not scrubbed.',
      holds: (results) =>
        results.figure('ordinary.expanded.scrubbed') === 0 &&
        results.figure('ordinary.expanded.stale') > PAGES / 2 &&
        results.figure('non_temporal.expanded') === 0,
    },
  ],
});
