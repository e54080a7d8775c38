/**
 * H15: without a balloon the kernel sees free pages on a device that is full. Free memory according
 * to the buddy allocator against what the device has left, while a recorded program runs.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import type { PageData } from '@mm-lab/mm-core';
import type { PageTrace } from '@mm-lab/workloads';
import { cramLab, DEVICE, playTrace, recordedPages, recordedTrace, rounded, watch } from './kit.ts';

const MIB = 2 ** 20;
const ROWS = 150_000;
const DRAM_PAGES = 3072;
const DEVICE_PAGES = 2048;
/** The device promises 8 MiB and has half of it. */
const CAPACITY_BYTES = 4 * MIB;
const EVERY_NS = 200_000;
const POINTS = 60;

interface Sample {
  readonly buddyMib: number;
  readonly deviceMib: number;
}

interface Run {
  readonly samples: readonly Sample[];
  readonly lost: number;
  readonly overflows: number;
  readonly end: string;
}

function run(guard: 'cram' | 'nobody', trace: PageTrace, contents: PageData): Run {
  const lab = cramLab({
    guard,
    contents,
    dramPages: DRAM_PAGES,
    devicePages: DEVICE_PAGES,
    capacityBytes: CAPACITY_BYTES,
    swap: { kind: 'disk', pages: 8192 },
  });
  const { machine, device } = lab;
  const samples: Sample[] = [];
  const stop = watch(lab, EVERY_NS, () => {
    const free = machine.nodes.pgdat(DEVICE).unusedPages();
    samples.push({
      buddyMib: (free * 4096) / MIB,
      deviceMib: (device.capacityBytes - device.usedBytes()) / MIB,
    });
  });
  const { end } = playTrace(lab, trace);
  stop();
  machine.verify();
  const stats = machine.stats();
  const lost = (stats['integrity.lost_pages'] ?? 0) + (stats['integrity.lost_unread_pages'] ?? 0);
  return { samples, lost, overflows: stats['device.overflow_events'] ?? 0, end };
}

/** The sample at which the device has least, and how much the buddy allocator says there. */
function worstOf({ samples }: Run): Sample {
  const [first] = samples;
  if (first === undefined) throw new Error('the run was watched');
  return samples.reduce((worst, now) => (now.deviceMib < worst.deviceMib ? now : worst), first);
}

function at(samples: readonly Sample[], share: number): Sample {
  return samples[Math.round(share * (samples.length - 1))] ?? { buddyMib: 0, deviceMib: 0 };
}

async function probe(): Promise<Figures> {
  const [trace, contents] = [
    await recordedTrace('redis-kv', ROWS),
    await recordedPages('redis-kv'),
  ];
  const nobody = run('nobody', trace, contents);
  const cram = run('cram', trace, contents);
  const rows = [nobody, cram].map((ran, at) => {
    const worst = worstOf(ran);
    return [
      at === 0 ? 'nobody' : 'CRAM',
      rounded(worst.deviceMib, 2),
      rounded(worst.buddyMib, 2),
      rounded(worst.buddyMib - worst.deviceMib, 2),
      ran.overflows,
      ran.lost,
    ];
  });
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'nobody.device_mib_least': of(0, 1),
      'nobody.buddy_mib_then': of(0, 2),
      'nobody.overflows': of(0, 4),
      'cram.device_mib_least': of(1, 1),
      'cram.buddy_mib_then': of(1, 2),
      'cram.overflows': of(1, 4),
      completed: [nobody, cram].filter(({ end }) => end === 'done').length,
    },
    tables: [
      {
        name: 'worst',
        title: 'When the device has least left (MiB)',
        columns: ['guard', 'free: device', 'free: buddy', 'the lie', 'overflows', 'pages lost'],
        rows,
      },
      {
        name: 'time',
        title: 'Free according to buddy and according to the device',
        columns: ['progress', 'buddy, nobody', 'device, nobody', 'buddy, CRAM', 'device, CRAM'],
        rows: Array.from({ length: POINTS + 1 }, (_, point) => {
          const share = point / POINTS;
          const [a, b] = [at(nobody.samples, share), at(cram.samples, share)];
          return [share, a.buddyMib, a.deviceMib, b.buddyMib, b.deviceMib].map((mib) =>
            rounded(mib, 3),
          );
        }),
        plotOnly: true,
        chart: {
          x: 'progress',
          y: ['buddy, nobody', 'device, nobody', 'buddy, CRAM', 'device, CRAM'],
          xTitle: 'share of the run’s time',
          yTitle: 'MiB free',
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'What does the kernel call free on a device that is full?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Both runs come to their end.',
      holds: (results) => results.figure('completed') === 2,
    },
    {
      text: 'Unguarded the device is full and overflows while the buddy allocator has free pages.',
      holds: (results) =>
        results.figure('nobody.overflows') > 0 &&
        results.figure('nobody.device_mib_least') < 0.01 &&
        results.figure('nobody.buddy_mib_then') > 0.5,
    },
    {
      text: 'CRAM keeps the device from overflowing without making the lie smaller.',
      holds: (results) =>
        results.figure('cram.overflows') === 0 &&
        results.figure('cram.buddy_mib_then') > results.figure('cram.device_mib_least'),
    },
  ],
});
