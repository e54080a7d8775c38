/**
 * H15: without a balloon the kernel sees free pages on a device that is full. Free memory according
 * to the buddy allocator against what the device has left, while a recorded program runs.
 */
import { BalloonToken, balloon, noPressure, pressurePolicy } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import type { PageData, Plugin } from '@mm-lab/mm-core';
import type { PageTrace } from '@mm-lab/workloads';
import { cramLab, DEVICE, playTrace, recordedPages, recordedTrace, rounded, watch } from './kit.ts';

const MIB = 2 ** 20;
const ROWS = 150_000;
const DRAM_PAGES = 3072;
const DEVICE_PAGES = 2048;
/** The device promises 8 MiB and has half of it. */
const CAPACITY_BYTES = 4 * MIB;
const ZRATIO = 2000;
const POLL_NS = 1_000_000;
const EVERY_NS = 200_000;
const POINTS = 60;

type Guard = 'nobody' | 'CRAM' | 'balloon';
const GUARDS: readonly Guard[] = ['nobody', 'CRAM', 'balloon'];

const LINES = GUARDS.flatMap((guard) => [`buddy, ${guard}`, `device, ${guard}`]);

interface Sample {
  readonly buddyMib: number;
  readonly deviceMib: number;
  readonly balloonMib: number;
}

interface Run {
  readonly samples: readonly Sample[];
  readonly lost: number;
  readonly overflows: number;
  readonly end: string;
}

function run(guard: Guard, trace: PageTrace, contents: PageData): Run {
  const inflates: readonly Plugin[] = [
    balloon({ zratio: ZRATIO, pollNs: POLL_NS }),
    pressurePolicy(noPressure),
  ];
  const lab = cramLab({
    guard: guard === 'nobody' ? 'nobody' : 'cram',
    plugins: guard === 'balloon' ? inflates : [],
    contents,
    dramPages: DRAM_PAGES,
    devicePages: DEVICE_PAGES,
    capacityBytes: CAPACITY_BYTES,
    swap: { kind: 'disk', pages: 8192 },
  });
  const { machine, device } = lab;
  const inflator = guard === 'nobody' ? null : lab.services.get(BalloonToken);
  const samples: Sample[] = [];
  const stop = watch(lab, EVERY_NS, () => {
    const free = machine.nodes.pgdat(DEVICE).unusedPages();
    samples.push({
      buddyMib: (free * 4096) / MIB,
      deviceMib: (device.capacityBytes - device.usedBytes()) / MIB,
      balloonMib: ((inflator?.pagesOf(DEVICE) ?? 0) * 4096) / MIB,
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
  return (
    samples[Math.round(share * (samples.length - 1))] ?? {
      buddyMib: 0,
      deviceMib: 0,
      balloonMib: 0,
    }
  );
}

function worstRow(guard: string, ran: Run): readonly (string | number)[] {
  const { deviceMib, buddyMib, balloonMib } = worstOf(ran);
  const mib = [deviceMib, buddyMib, buddyMib - deviceMib, balloonMib];
  return [guard, ...mib.map((one) => rounded(one, 2)), ran.overflows, ran.lost];
}

async function probe(): Promise<Figures> {
  const [trace, contents] = [
    await recordedTrace('redis-kv', ROWS),
    await recordedPages('redis-kv'),
  ];
  const runs = GUARDS.map((guard) => run(guard, trace, contents));
  const rows = runs.map((ran, at) => worstRow(GUARDS[at] ?? '', ran));
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'nobody.device_mib_least': of(0, 1),
      'nobody.buddy_mib_then': of(0, 2),
      'nobody.overflows': of(0, 5),
      'cram.device_mib_least': of(1, 1),
      'cram.buddy_mib_then': of(1, 2),
      'cram.overflows': of(1, 5),
      'balloon.device_mib_least': of(2, 1),
      'balloon.buddy_mib_then': of(2, 2),
      'balloon.overflows': of(2, 5),
      'balloon.lost': of(2, 6),
      completed: runs.filter(({ end }) => end === 'done').length,
    },
    tables: [
      {
        name: 'worst',
        title: 'When the device has least left (MiB)',
        columns: [
          'guard',
          'free: device',
          'free: buddy',
          'the lie',
          'in the balloon',
          'overflows',
          'pages lost',
        ],
        rows,
      },
      {
        name: 'time',
        title: 'Free according to buddy and according to the device',
        columns: ['progress', ...LINES],
        rows: Array.from({ length: POINTS + 1 }, (_, point) => {
          const share = point / POINTS;
          const points = runs.map(({ samples }) => at(samples, share));
          const mib = points.flatMap(({ buddyMib, deviceMib }) => [buddyMib, deviceMib]);
          return [share, ...mib.map((value) => rounded(value, 3))];
        }),
        plotOnly: true,
        chart: {
          x: 'progress',
          y: LINES,
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
      text: 'Every run comes to its end.',
      holds: (results) => results.figure('completed') === GUARDS.length,
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
    {
      text: 'With a balloon both kinds of free are within half a mebibyte.',
      holds: (results) =>
        Math.abs(
          results.figure('balloon.buddy_mib_then') - results.figure('balloon.device_mib_least'),
        ) < 0.5,
    },
    {
      text: 'A balloon that takes 32 pages at a time overflows nothing on its way.',
      holds: (results) =>
        results.figure('balloon.overflows') === 0 && results.figure('balloon.lost') === 0,
    },
  ],
});
