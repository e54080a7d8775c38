/**
 * Row 31: does demotion read from the device? A copy with ordinary stores fetches each line of the
 * destination before it overwrites it; non-temporal stores do not. (Nikolakopoulos and Malek,
 * 2026-05-26, "nt-demote")
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { type CramLab, cramLab, DEVICE, demote, MENDED, pageRange, rounded } from './kit.ts';

const PAGES = 256;
const PAGE = 4096;
const DISK = { kind: 'disk', pages: 4096 } as const;

type Copy = 'ordinary stores' | 'non-temporal';
type Frames = 'never used' | 'scrubbed' | 'stale';

/** What the bus and the engine of the device saw. */
interface Traffic {
  writtenBytes: number;
  readBytes: number;
  engineNs: number;
}

/** Watches the device; ordinary stores fetch what they are about to overwrite. */
function watchTraffic({ device }: CramLab, copy: Copy): Traffic {
  const traffic = { writtenBytes: 0, readBytes: 0, engineNs: 0 };
  const { store, readPageNs } = device;
  device.store = (pfn, key) => {
    if (copy === 'ordinary stores') {
      traffic.readBytes += PAGE;
      traffic.engineNs += readPageNs.call(device, pfn);
    }
    traffic.writtenBytes += PAGE;
    return store.call(device, pfn, key);
  };
  device.readPageNs = (pfn) => {
    const ns = readPageNs.call(device, pfn);
    traffic.readBytes += PAGE;
    traffic.engineNs += ns;
    return ns;
  };
  return traffic;
}

/** Makes the frames of the node what they shall be: other pages were there and have left. */
function prepare(lab: CramLab, frames: Frames, pages: number): void {
  if (frames === 'never used') return;
  const { machine, cram } = lab;
  const before = machine.createTask('before');
  before.mmap(0, pages);
  for (const vpn of pageRange(pages)) before.write(vpn);
  demote(lab, before, pageRange(pages));
  if (frames === 'scrubbed') {
    before.exit();
    return;
  }
  cram?.cram_set_pressure(DEVICE, 1000);
  machine.sleep(1_000_000_000);
  cram?.cram_clear_pressure(DEVICE);
}

function demotion(copy: Copy, frames: Frames): readonly (string | number)[] {
  // Only the series as posted leaves frames unscrubbed (row 28).
  const nodePrivate = frames === 'stale' ? { ...MENDED, reclaimFrees: 'v4' as const } : MENDED;
  const lab = cramLab({ devicePages: 1024, nodePrivate, swap: DISK });
  prepare(lab, frames, 1024 - 128);
  const task = lab.machine.createTask('cold');
  task.mmap(0, PAGES);
  for (const vpn of pageRange(PAGES)) task.write(vpn);
  const traffic = watchTraffic(lab, copy);
  const moved = demote(lab, task, pageRange(PAGES));
  lab.machine.verify();
  const demoted = moved * PAGE;
  return [
    copy,
    frames,
    rounded(traffic.writtenBytes / demoted, 2),
    rounded(traffic.readBytes / demoted, 2),
    Math.round(traffic.engineNs / moved),
  ];
}

function probe(): Figures {
  const copies: readonly Copy[] = ['ordinary stores', 'non-temporal'];
  const frames: readonly Frames[] = ['never used', 'scrubbed', 'stale'];
  const rows = copies.flatMap((copy) => frames.map((each) => demotion(copy, each)));
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'ordinary.read_per_byte': of(0, 3),
      'ordinary.engine_ns.scrubbed': of(1, 4),
      'ordinary.engine_ns.stale': of(2, 4),
      'non_temporal.read_per_byte': Math.max(of(3, 3), of(4, 3), of(5, 3)),
      written_per_byte: Math.max(...rows.map((row) => Number(row[2]))),
    },
    tables: [
      {
        name: 'traffic',
        title: `${PAGES} pages are demoted: bytes at the device for each byte demoted`,
        columns: ['copy', 'frames', 'written', 'read', 'engine ns a page'],
        rows,
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
      text: 'Demotion writes each byte once, and mm itself reads nothing from the device for it.',
      holds: (results) =>
        results.figure('written_per_byte') === 1 &&
        results.figure('non_temporal.read_per_byte') === 0,
    },
    {
      text: 'Ordinary stores make it read as much as it writes.',
      holds: (results) => results.figure('ordinary.read_per_byte') === 1,
    },
    {
      text: 'Those reads wake the decompressor only where frames were not scrubbed.',
      holds: (results) =>
        results.figure('ordinary.engine_ns.scrubbed') === 0 &&
        results.figure('ordinary.engine_ns.stale') > 0,
    },
  ],
});
