/**
 * Row 22: the control path is slow or dead. Interrupts come late or not at all while pages go on
 * coming in. (Arun George 2026-04-27; Price: the device must not depend on the host being quick)
 */
import type { InterruptFaults } from '@mm-lab/backend-cxl-compress';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { bytes, cramLab, DEVICE, demote, pageRange, rounded, sizedPages } from './kit.ts';

const NODE_PAGES = 1536;
const LOW_PAGES = 192;
/** Enough for the ordinary delay of 50 us and the pages under way, twice over. */
const HEADROOM_PAGES = 128;
const BATCH = 16;
const ROUNDS = 120;
const SEEDS = [1, 2, 3, 4];
const ROUND_NS = 60_000;

interface Control {
  readonly name: string;
  readonly faults: InterruptFaults;
}

const CONTROLS: readonly Control[] = [
  { name: 'prompt', faults: {} },
  ...[0.05, 0.2, 0.5].map((lossProbability) => ({
    name: `${100 * lossProbability} % lost`,
    faults: { lossProbability },
  })),
  ...[100_000, 1_000_000, 10_000_000].map((lateNs) => ({
    name: `all ${lateNs / 1e6} ms late`,
    faults: { lateProbability: 1, lateNs },
  })),
  { name: 'dead', faults: { lossProbability: 1 } },
];

/** Cold pages keep coming in; pressure, when the driver hears of it, sends them to swap. */
function steady(faults: InterruptFaults, seed: number) {
  const lab = cramLab({
    dramPages: 4096,
    devicePages: NODE_PAGES,
    capacityBytes: bytes(LOW_PAGES + HEADROOM_PAGES),
    contents: sizedPages(() => bytes(1)),
    swap: { kind: 'disk', pages: 4096 },
    device: {
      lowBytes: bytes(LOW_PAGES),
      highBytes: bytes(LOW_PAGES / 2),
      interruptNs: 50_000,
      interruptFaults: { ...faults, seed },
    },
  });
  const { machine } = lab;
  const pages = ROUNDS * BATCH;
  const task = machine.createTask('cold');
  task.mmap(0, pages);
  for (const vpn of pageRange(pages)) task.write(vpn);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const next = machine.clock.now + ROUND_NS;
    if (demote(lab, task, pageRange(BATCH, round * BATCH)) === 0) refused++;
    if (machine.clock.now < next) machine.sleep(next - machine.clock.now);
  }
  machine.verify();
  const stats = machine.stats();
  return {
    lost: stats['device.overflow_events'] ?? 0,
    interrupts: (stats['device.interrupts.low'] ?? 0) + (stats['device.interrupts.high'] ?? 0),
    refused,
    left: machine.usedPages(DEVICE),
  };
}

function probe(): Figures {
  const rows = CONTROLS.map(({ name, faults }) => {
    const runs = SEEDS.map((seed) => steady(faults, seed));
    const sum = (of: (run: (typeof runs)[number]) => number): number =>
      runs.reduce((all, run) => all + of(run), 0);
    return [
      name,
      sum(({ interrupts }) => interrupts),
      rounded((100 * sum(({ refused }) => refused)) / (ROUNDS * SEEDS.length), 1),
      runs.filter(({ lost }) => lost > 0).length,
      sum(({ lost }) => lost),
    ];
  });
  const lost = (name: string): number => Number(rows.find(([row]) => row === name)?.[4]);
  return {
    values: {
      'prompt.lost': lost('prompt'),
      'lost_5_percent.lost': lost('5 % lost'),
      'lost_50_percent.lost': lost('50 % lost'),
      'late_0.1ms.lost': lost('all 0.1 ms late'),
      'late_10ms.lost': lost('all 10 ms late'),
      'dead.lost': lost('dead'),
    },
    tables: [
      {
        name: 'control',
        title: `${BATCH} raw pages come in every 60 µs, ${ROUNDS} times; ${SEEDS.length} seeds`,
        columns: ['interrupts', 'arrived', 'refused %', 'runs that lose data', 'pages lost'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What is lost when threshold interrupts are late or lost?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Prompt interrupts lose nothing.',
      holds: (results) => results.figure('prompt.lost') === 0,
    },
    {
      text: 'A delay that the headroom covers loses nothing; one that it does not cover does.',
      holds: (results) =>
        results.figure('late_0.1ms.lost') === 0 && results.figure('late_10ms.lost') > 0,
    },
    {
      text: 'A lost interrupt is not raised again: half of them lost loses data.',
      holds: (results) => results.figure('lost_50_percent.lost') > 0,
    },
    {
      text: 'A dead control path loses most: read-only pages do not help against what comes in.',
      holds: (results) =>
        results.figure('dead.lost') >= results.figure('lost_50_percent.lost') &&
        results.figure('dead.lost') >= results.figure('late_10ms.lost'),
    },
  ],
});
