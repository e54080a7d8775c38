/**
 * Row 22: the control path is slow or dead. Interrupts come late or not at all while pages go on
 * coming in, with the marks alone and with tokens that the device grants. (Arun George 2026-04-27;
 * Price: the device must not depend on the host being quick)
 */

import type { InterruptFaults } from '@mm-lab/backend-cxl-compress';
import { tokenBucket } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { bytes, cramLab, demote, pageRange, rounded, sizedPages, writer } from './kit.ts';

const NODE_PAGES = 1536;
const LOW_PAGES = 192;
/** Enough for the ordinary delay of 50 us and the pages under way, twice over. */
const HEADROOM_PAGES = 128;
const BATCH = 16;
const ROUNDS = 240;
const SEEDS = [1, 2, 3, 4, 5, 6];
const ROUND_NS = 60_000;

/** The control path of both dies here, a third into the run. */
const DEAD_AT_ROUND = ROUNDS / 3;
const TOKEN_PERIOD_NS = 240_000;
/** Tokens of a period: what comes in meanwhile. */
const TOKENS = (BATCH * TOKEN_PERIOD_NS) / ROUND_NS;
const BUDGETS = ['marks alone', 'tokens'] as const;

interface Control {
  readonly name: string;
  readonly faults: InterruptFaults;
  readonly dies?: boolean;
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
  { name: 'dies', faults: {}, dies: true },
];

/** Cold pages keep coming in; pressure, when the driver hears of it, sends them to swap. */
function steady({ faults, dies }: Control, budget: (typeof BUDGETS)[number], seed: number) {
  // Filling the pages takes no more than this; the pages come in from then on.
  const beginNs = 20e6;
  const diesNs = dies === true ? beginNs + DEAD_AT_ROUND * ROUND_NS : Infinity;
  const tokens = {
    tokens: TOKENS,
    periodNs: TOKEN_PERIOD_NS,
    entry: 'counted',
    controlPathDiesNs: diesNs,
  } as const;
  const lab = cramLab({
    dramPages: 6144,
    devicePages: NODE_PAGES,
    capacityBytes: bytes(LOW_PAGES + HEADROOM_PAGES),
    contents: sizedPages(() => bytes(1)),
    swap: { kind: 'disk', pages: 8192 },
    device: {
      lowBytes: bytes(LOW_PAGES),
      highBytes: bytes(LOW_PAGES / 2),
      interruptNs: 50_000,
      interruptFaults: { ...faults, deadFromNs: diesNs, seed },
    },
    plugins: budget === 'tokens' ? [tokenBucket(tokens)] : [],
  });
  const { machine } = lab;
  const pages = ROUNDS * BATCH;
  const task = writer(machine, 'cold', pages);
  machine.sleep(beginNs - machine.clock.now);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const next = machine.clock.now + ROUND_NS;
    refused += BATCH - demote(lab, task, pageRange(BATCH, round * BATCH));
    if (machine.clock.now < next) machine.sleep(next - machine.clock.now);
  }
  machine.verify();
  const stats = machine.stats();
  return {
    overflows: stats['device.overflow_events'] ?? 0,
    arrived: (stats['device.interrupts.low'] ?? 0) + (stats['device.interrupts.high'] ?? 0),
    gone: stats['device.interrupts.lost'] ?? 0,
    refused,
  };
}

function rowOf(control: Control, budget: (typeof BUDGETS)[number]): readonly (string | number)[] {
  const runs = SEEDS.map((seed) => steady(control, budget, seed));
  const sum = (of: (run: (typeof runs)[number]) => number): number =>
    runs.reduce((all, run) => all + of(run), 0);
  return [
    control.name,
    budget,
    sum(({ arrived }) => arrived),
    sum(({ gone }) => gone),
    rounded((100 * sum(({ refused }) => refused)) / (ROUNDS * BATCH * SEEDS.length), 1),
    runs.filter(({ overflows }) => overflows > 0).length,
    sum(({ overflows }) => overflows),
  ];
}

function probe(): Figures {
  const rows = BUDGETS.flatMap((budget) => CONTROLS.map((control) => rowOf(control, budget)));
  const of = (name: string, budget: string, column: number): number =>
    Number(rows.find((row) => row[0] === name && row[1] === budget)?.[column]);
  const lost = (name: string): number => of(name, 'marks alone', 6);
  return {
    values: {
      'prompt.lost': lost('prompt'),
      'lost_5_percent.interrupts_lost': of('5 % lost', 'marks alone', 3),
      'lost_5_percent.lost': lost('5 % lost'),
      'lost_50_percent.lost': lost('50 % lost'),
      'late_0.1ms.lost': lost('all 0.1 ms late'),
      'late_10ms.lost': lost('all 10 ms late'),
      'dies.lost': lost('dies'),
      'tokens.lost': rows
        .filter(([, budget]) => budget === 'tokens')
        .reduce((sum, row) => sum + Number(row[6]), 0),
      'prompt.refused': of('prompt', 'marks alone', 4),
      'prompt.tokens.refused': of('prompt', 'tokens', 4),
      'dies.tokens.refused': of('dies', 'tokens', 4),
    },
    tables: [
      {
        name: 'control',
        title: `${BATCH} raw pages offered every 60 µs, ${ROUNDS} times; ${SEEDS.length} seeds`,
        chart: { kind: 'bars', x: ['interrupts', 'budget'], y: ['pages lost'], title: 'pages' },
        columns: [
          'interrupts',
          'budget',
          'arrived',
          'lost',
          'pages refused %',
          'runs that lose data',
          'pages lost',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What is lost when the control path is late or dead, and what do tokens save?',
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
      text: 'A lost interrupt is not raised again: one in twenty lost is enough to lose data.',
      holds: (results) =>
        results.figure('lost_5_percent.interrupts_lost') > 0 &&
        results.figure('lost_5_percent.lost') > 0 &&
        results.figure('lost_50_percent.lost') > results.figure('lost_5_percent.lost'),
    },
    {
      text: 'A control path that dies loses data, although every page is read-only.',
      holds: (results) => results.figure('dies.lost') > 0,
    },
    {
      text: 'With a token for each page that comes in nothing is lost, whatever fails.',
      holds: (results) => results.figure('tokens.lost') === 0,
    },
    {
      text: 'Tokens cost little while control works, and the door stays shut once it is dead.',
      holds: (results) =>
        results.figure('prompt.tokens.refused') < results.figure('prompt.refused') + 15 &&
        results.figure('dies.tokens.refused') > 60,
    },
  ],
});
