/**
 * H6: pressure that knows two values makes a limit cycle. Its period and amplitude by the closed
 * form, from rates that are measured apart, against what the model does; and the same feed under
 * pressure in proportion to the usage, and under a balloon.
 */
import { LOW_THRESHOLD_VECTOR } from '@mm-lab/backend-cxl-compress';
import { balloon, noPressure, pressurePolicy, proportional } from '@mm-lab/cram';
import { defineProbe, type Figures, type FigureTable } from '@mm-lab/lab';
import type { Plugin } from '@mm-lab/mm-core';
import {
  type CramLab,
  cramLab,
  DEVICE,
  demote,
  onDevice,
  pageRange,
  rounded,
  sizedPages,
  watch,
  writer,
} from './kit.ts';

/** What each page takes on the device. */
const SIZE = 2048;
const BATCH = 32;
const NODE_PAGES = 2048;
/** The marks lie around this many pages. */
const MIDDLE = 900;
const CYCLES = 6;
/** Up to this delay it is known in which pass of kswapd the pressure ends. */
const PROMPT_US = 300;
const FEED_MAX = 4000;
const FEED_NS_MAX = 40e6;
const STEP_NS = 10_000;
/** Long enough for kswapd to come to rest. */
const REST_NS = 5e6;

interface Cycle {
  /** Pages between the marks. */
  readonly gap: number;
  /** Pages that come in a microsecond while the gate is open. */
  readonly inPerUs: number;
  /** From crossing a mark to the handler. */
  readonly tauUs: number;
}

/** The one that is drawn, and compared with other controllers. */
const DRAWN: Cycle = { gap: 256, inPerUs: 0.1, tauUs: 20 };
const SETTINGS: readonly Cycle[] = [
  { gap: 128, inPerUs: 0.1, tauUs: 20 },
  DRAWN,
  { gap: 512, inPerUs: 0.1, tauUs: 20 },
  { gap: 256, inPerUs: 0.05, tauUs: 20 },
  { gap: 256, inPerUs: 0.2, tauUs: 20 },
  { gap: 256, inPerUs: 0.1, tauUs: 100 },
  { gap: 256, inPerUs: 0.1, tauUs: PROMPT_US },
  { gap: 256, inPerUs: 0.1, tauUs: 1000 },
  { gap: 128, inPerUs: 0.2, tauUs: 1000 },
];

/** Pages on the device over time. */
type Usage = readonly (readonly [ms: number, pages: number])[];

interface Measured {
  readonly periodUs: number;
  readonly amplitude: number;
  readonly usage: Usage;
  readonly lost: number;
}

function labOf({ gap, tauUs }: Cycle, plugins: readonly Plugin[]): CramLab {
  return cramLab({
    dramPages: FEED_MAX + 2048,
    devicePages: NODE_PAGES,
    capacityBytes: NODE_PAGES * SIZE,
    contents: sizedPages(() => SIZE),
    swap: { kind: 'disk', pages: 2 * FEED_MAX },
    device: {
      lowBytes: (MIDDLE + gap / 2) * SIZE,
      highBytes: (MIDDLE - gap / 2) * SIZE,
      interruptNs: 1000 * tauUs,
    },
    plugins,
  });
}

/** Pages come in at a rate, for so many low interrupts or until there are no more. */
function feed(cycle: Cycle, plugins: readonly Plugin[] = []): Measured {
  const lab = labOf(cycle, plugins);
  const { machine, device } = lab;
  const lows: number[] = [];
  machine.tracepoints.device_interrupt.on((now, _nid, vector) => {
    if (vector === LOW_THRESHOLD_VECTOR) lows.push(now);
  });
  const task = writer(machine, 'cold', FEED_MAX);
  // Up to the lower mark at once: the cycle begins there.
  let next = MIDDLE - cycle.gap / 2;
  demote(lab, task, pageRange(next));
  const begin = machine.clock.now;
  const usage: (readonly [number, number])[] = [];
  const stop = watch(lab, 10_000, (now) =>
    usage.push([(now - begin) / 1e6, device.usedBytes() / SIZE]),
  );
  let due = begin;
  while (lows.length <= CYCLES && next + BATCH <= FEED_MAX && due < begin + FEED_NS_MAX) {
    if (demote(lab, task, pageRange(BATCH, next)) > 0) next += BATCH;
    due += (BATCH / cycle.inPerUs) * 1000;
    if (machine.clock.now < due) machine.sleep(due - machine.clock.now);
  }
  stop();
  machine.verify();
  const [first = 0] = lows;
  const last = lows.at(-1) ?? first;
  const settled = usage.filter(([ms]) => begin + ms * 1e6 >= first).map(([, pages]) => pages);
  return {
    periodUs: (last - first) / 1000 / Math.max(1, lows.length - 1),
    amplitude: settled.length === 0 ? 0 : Math.max(...settled) - Math.min(...settled),
    usage,
    lost: machine.stats()['device.overflow_events'] ?? 0,
  };
}

/** kswapd alone: what it takes off a microsecond, and what it still takes once pressure is gone. */
interface Eviction {
  readonly outPerUs: number;
  readonly coastPages: number;
}

/** From the peak of a cycle to its lower mark, with nothing coming in. */
function eviction({ gap, inPerUs, tauUs }: Cycle): Eviction {
  const pages = Math.round(MIDDLE + gap / 2 + inPerUs * tauUs);
  const lab = labOf({ gap, inPerUs, tauUs: 0 }, [pressurePolicy(noPressure)]);
  const { machine, cram } = lab;
  onDevice(lab, 'cold', pages);
  const resident = (): number => machine.usedPages(DEVICE);
  const begin = machine.clock.now;
  cram?.cram_set_pressure(DEVICE, 1000);
  const until = MIDDLE - gap / 2;
  for (let step = 0; step < 2000 && resident() > until; step++) machine.sleep(STEP_NS);
  const us = (machine.clock.now - begin) / 1000;
  const gone = pages - resident();
  machine.sleep(1000 * tauUs);
  const left = resident();
  cram?.cram_clear_pressure(DEVICE);
  machine.sleep(REST_NS);
  return { outPerUs: gone / us, coastPages: left - resident() };
}

/**
 * Delta / D + Delta / E of the cost model, with what comes in and goes while an interrupt is on its
 * way, and what kswapd takes off afterwards.
 */
function closedForm(cycle: Cycle, { outPerUs, coastPages }: Eviction) {
  const { gap, inPerUs, tauUs } = cycle;
  const late = gap + (inPerUs + outPerUs) * tauUs;
  return {
    amplitude: late + coastPages * (1 - inPerUs / outPerUs) + BATCH,
    periodUs: late / inPerUs + late / outPerUs + coastPages / inPerUs,
    bareUs: gap / inPerUs + gap / outPerUs,
  };
}

function probe(): Figures {
  const cycles = SETTINGS.map((cycle) => {
    const alone = eviction(cycle);
    const predicted = closedForm(cycle, alone);
    const measured = feed(cycle);
    const off = measured.periodUs / predicted.periodUs - 1;
    return { cycle, alone, predicted, measured, off };
  });
  const prompt = cycles.filter(({ cycle }) => cycle.tauUs <= PROMPT_US);
  const late = cycles.filter(({ cycle }) => cycle.tauUs > PROMPT_US);
  const half = DRAWN.gap / 2;
  const marks = { from: (MIDDLE - half) / NODE_PAGES, to: (MIDDLE + half) / NODE_PAGES };
  const settled = feed(DRAWN, [pressurePolicy(() => proportional({ ...marks, pollNs: 20_000 }))]);
  const held = feed(DRAWN, [
    pressurePolicy(noPressure),
    balloon({ zratio: 2000, pollNs: 100_000, pagesMin: 64 }),
  ]);
  const two = cycles.find(({ cycle }) => cycle === DRAWN)?.measured;
  const beyondBare = (each: readonly Ran[]): number =>
    Math.min(...each.map(({ measured, predicted }) => measured.periodUs / predicted.bareUs));
  return {
    values: {
      'prompt.period.most_off': Math.max(...prompt.map(({ off }) => Math.abs(off))),
      'late.period.most_off': Math.max(...cycles.map(({ off }) => Math.abs(off))),
      'prompt.amplitude.most_off_pages': Math.max(
        ...prompt.map(({ measured, predicted }) =>
          Math.abs(measured.amplitude - predicted.amplitude),
        ),
      ),
      'bare.least_off': beyondBare(cycles),
      'bare.late.least_off': beyondBare(late),
      'two.swing': swing(two?.usage ?? []),
      'proportional.swing': swing(settled.usage),
      'balloon.swing': swing(held.usage),
      lost: cycles.reduce((sum, { measured }) => sum + measured.lost, settled.lost + held.lost),
    },
    tables: [cycleTable(cycles), usageTable(two?.usage ?? [], settled.usage, held.usage)],
  };
}

/** Pages between the least and the most of the last third. */
function swing(usage: Usage): number {
  const last = usage.slice(-Math.ceil(usage.length / 3)).map(([, pages]) => pages);
  return Math.max(...last) - Math.min(...last);
}

interface Ran {
  readonly cycle: Cycle;
  readonly alone: Eviction;
  readonly predicted: ReturnType<typeof closedForm>;
  readonly measured: Measured;
}

function cycleTable(cycles: readonly Ran[]): FigureTable {
  return {
    name: 'cycle',
    title: 'Two values of pressure: pages between the marks, rates in pages a µs',
    columns: [
      'gap',
      'D, in',
      'delay µs',
      'E, out',
      'still out',
      'Δ/D + Δ/E µs',
      'closed form µs',
      'model µs',
      'swing, form',
      'swing, model',
    ],
    rows: cycles.map(({ cycle, alone, predicted, measured }) => [
      cycle.gap,
      cycle.inPerUs,
      cycle.tauUs,
      rounded(alone.outPerUs, 3),
      alone.coastPages,
      Math.round(predicted.bareUs),
      Math.round(predicted.periodUs),
      Math.round(measured.periodUs),
      Math.round(predicted.amplitude),
      Math.round(measured.amplitude),
    ]),
  };
}

function usageTable(two: Usage, settled: Usage, held: Usage): FigureTable {
  const length = Math.min(two.length, settled.length, held.length);
  return {
    name: 'usage',
    title: 'Pages on the device over time, 0.1 pages a µs coming in',
    columns: ['ms', 'two values', 'proportional', 'balloon and gate'],
    rows: Array.from({ length }, (_, at) => [
      rounded(two[at]?.[0] ?? 0, 3),
      two[at]?.[1] ?? 0,
      settled[at]?.[1] ?? 0,
      held[at]?.[1] ?? 0,
    ]),
    plotOnly: true,
    chart: {
      x: 'ms',
      y: ['two values', 'proportional', 'balloon and gate'],
      yTitle: 'pages on the device',
    },
  };
}

export default defineProbe({
  question: 'Is the limit cycle of two-valued pressure the one that H6 predicts?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With prompt interrupts the period is that of the closed form, to 3 %.',
      holds: (results) => results.figure('prompt.period.most_off') < 0.03,
    },
    {
      text: 'So is the amplitude, to a batch and a half of 32 pages.',
      holds: (results) => results.figure('prompt.amplitude.most_off_pages') <= 1.5 * BATCH,
    },
    {
      text: 'With late ones too, to a quarter: a pass of kswapd more or less is in it.',
      holds: (results) => results.figure('late.period.most_off') < 0.25,
    },
    {
      text: 'Δ / D + Δ / E alone is too short by a quarter at least, and by half where it is late.',
      holds: (results) =>
        results.figure('bare.least_off') > 4 / 3 && results.figure('bare.late.least_off') > 2,
    },
    {
      text: 'In proportion to the usage the same pressure settles: it swings by a quarter of that.',
      holds: (results) => results.figure('proportional.swing') < results.figure('two.swing') / 4,
    },
    {
      text: 'With a balloon at a constant ratio the gate shuts at the low mark, and usage stays.',
      holds: (results) => results.figure('balloon.swing') === 0,
    },
    {
      text: 'Nothing is lost.',
      holds: (results) => results.figure('lost') === 0,
    },
  ],
});
