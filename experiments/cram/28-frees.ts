/**
 * Row 28: free_folio is called where the last reference is put, one by one or in batches. Reclaim
 * frees by a path of its own. How many frees are hooked, and what stays behind?
 * (private-nodes.md, Reading 1.10)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { MADV_DONTNEED, type Task } from '@mm-lab/mm-core';
import { agreesWithKernel } from '../node/kit.ts';
import {
  type CramLab,
  cramLab,
  DEVICE,
  MENDED_FOR_CRAM,
  onDevice,
  pageRange,
  pagesOn,
} from './kit.ts';

const PAGES = 256;
const VPNS = pageRange(PAGES);

interface Way {
  readonly name: string;
  readonly free: (lab: CramLab, task: Task) => void;
  /** Did the recorded kernel call free_folio for every page, or for none? */
  readonly kernel: 'all' | 'none' | '–';
}

const WAYS: readonly Way[] = [
  { name: 'munmap (batch)', kernel: 'all', free: (_lab, task) => void task.munmap(0, PAGES) },
  {
    name: 'MADV_DONTNEED',
    kernel: 'all',
    free: (_lab, task) => void task.madvise(0, PAGES, MADV_DONTNEED),
  },
  { name: 'exit', kernel: 'all', free: (_lab, task) => task.exit() },
  {
    name: 'promotion (put)',
    kernel: 'all',
    free: (_lab, task) => {
      for (const vpn of VPNS) task.write(vpn);
    },
  },
  {
    name: 'swap-out (reclaim)',
    kernel: 'none',
    free: ({ machine, cram }) => {
      cram?.cram_set_pressure(DEVICE, 1000);
      machine.sleep(100_000_000);
      cram?.cram_clear_pressure(DEVICE);
    },
  },
];

function run(way: Way, reclaimFrees: 'v4' | 'mended') {
  const lab = cramLab({
    nodePrivate: { ...MENDED_FOR_CRAM, reclaimFrees },
    swap: { kind: 'disk', pages: 1024 },
  });
  const { machine, device } = lab;
  const task = onDevice(lab, 'program', PAGES);
  const calls = (): number => machine.managed.hookCalls().get('free_folio') ?? 0;
  const before = calls();
  way.free(lab, task);
  machine.verify();
  const left = task.alive ? pagesOn(lab, task, VPNS, DEVICE) : 0;
  return { freed: PAGES - left, hooked: calls() - before, bytes: device.usedBytes(), left };
}

function shareOf({ freed, hooked }: { freed: number; hooked: number }): string {
  if (hooked === 0) return 'none';
  return hooked === freed ? 'all' : `${hooked} of ${freed}`;
}

function probe(): Figures {
  const posted = WAYS.map((way) => run(way, 'v4'));
  const mended = WAYS.map((way) => run(way, 'mended'));
  const rows = WAYS.map((way, at) => {
    const [v4, better] = [posted[at], mended[at]];
    if (v4 === undefined || better === undefined) throw new Error('each way was run');
    const staleKib = (ran: { bytes: number; left: number }): number =>
      Math.round((ran.bytes - ran.left * 1024) / 1024);
    return [
      way.name,
      v4.freed,
      shareOf(v4),
      way.kernel,
      staleKib(v4),
      shareOf(better),
      staleKib(better),
    ];
  });
  const swapped = rows[WAYS.length - 1] ?? [];
  const sum = (column: number): number => rows.reduce((all, row) => all + Number(row[column]), 0);
  return {
    values: {
      'reclaim.freed': Number(swapped[1]),
      'reclaim.stale_kib': Number(swapped[4]),
      'other.stale_kib': sum(4) - Number(swapped[4]),
      'mended.stale_kib': sum(6),
    },
    tables: [
      {
        name: 'frees',
        title: `${PAGES} pages on the node, 1 KiB each on the device, are freed`,
        chart: {
          kind: 'bars',
          x: ['way'],
          y: ['KiB left on the device', 'KiB left, mended'],
          title: 'KiB',
        },
        columns: [
          'way',
          'freed',
          'model',
          'kernel',
          'KiB left on the device',
          'hooked, mended',
          'KiB left, mended',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Which frees does free_folio see, and what stays on the device of the others?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Frees by munmap, DONTNEED, exit and promotion are all hooked and leave nothing.',
      holds: (results) => results.figure('other.stale_kib') === 0,
    },
    {
      text: 'Frees by reclaim are not: what each page held stays on the device.',
      holds: (results) =>
        results.figure('reclaim.freed') > PAGES / 2 &&
        results.figure('reclaim.stale_kib') === results.figure('reclaim.freed'),
    },
    {
      text: 'Mended nothing stays, whoever frees.',
      holds: (results) => results.figure('mended.stale_kib') === 0,
    },
    {
      text: 'The kernel that was asked agrees.',
      holds: (results) => agreesWithKernel(results, 'frees'),
    },
  ],
});
