/**
 * Row 44: pressure p raises the watermarks of the node by p / 1000 of its pages. Is that a cap on
 * what comes in, and on what stays? (private-nodes.md, Reading 3.3)
 */
import type { CramOptions } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { WMARK_HIGH } from '@mm-lab/mm-core';
import { cramLab, DEVICE, demote, onDevice, pageRange, pagesOn, writer } from './kit.ts';

const NODE_PAGES = 4096;
const RESIDENT = 2500;
const ENTERING = 3750;
const BATCH = 32;
const PRESSURES = [0, 200, 400, 500, 600, 700, 800, 999, 1000];
const SETTLE_NS = 200_000_000;

/** Pages that steady demotion brings in at a pressure, where nothing can leave. */
function entered(pressure: number, cram: CramOptions): number {
  const lab = cramLab({ dramPages: 6144, devicePages: NODE_PAGES, cram });
  const task = writer(lab.machine, 'cold', ENTERING);
  lab.cram?.cram_set_pressure(DEVICE, pressure);
  let came = 0;
  for (let from = 0; from < ENTERING; from += BATCH) {
    const moved = demote(lab, task, pageRange(Math.min(BATCH, ENTERING - from), from));
    came += moved;
    if (moved === 0) break;
  }
  return came;
}

/** What a pressure leaves there of `RESIDENT` pages, with swap to go to. */
function stay(pressure: number) {
  const swap = { kind: 'disk', pages: 8192 } as const;
  const lab = cramLab({ dramPages: 6144, devicePages: NODE_PAGES, swap });
  const { machine } = lab;
  const vpns = pageRange(RESIDENT);
  const task = onDevice(lab, 'cold', RESIDENT);
  const zone = machine.nodes.pgdat(DEVICE).zones.find(({ managedPages }) => managedPages > 0);
  if (zone === undefined) throw new Error('the node has memory');
  const high = zone.wmark(WMARK_HIGH);
  lab.cram?.cram_set_pressure(DEVICE, pressure);
  machine.sleep(SETTLE_NS);
  machine.verify();
  const left = pagesOn(lab, task, vpns, DEVICE);
  const cap = Math.floor((zone.managedPages * (1000 - pressure)) / 1000) - high;
  return { left, cap: Math.max(0, Math.min(RESIDENT, cap)), out: machine.stats()['swap.out'] ?? 0 };
}

function probe(): Figures {
  const rows = PRESSURES.map((pressure) => {
    const { left, cap, out } = stay(pressure);
    return [
      pressure,
      entered(pressure, {}),
      entered(pressure, { entryCap: 'mended' }),
      left,
      cap,
      out,
    ];
  });
  const below = rows.filter(([pressure]) => Number(pressure) < 1000);
  const above = rows.map((row) => Number(row[3]) - Number(row[4]));
  return {
    values: {
      'v4.entered.least_below_1000': Math.min(...below.map((row) => Number(row[1]))),
      'v4.entered.at_1000': Number(rows.at(-1)?.[1]),
      'mended.entered.at_0': Number(rows[0]?.[2]),
      'mended.entered.at_500': Number(rows.find(([pressure]) => pressure === 500)?.[2]),
      'stay.most_above_the_cap': Math.max(...above),
      'stay.most_below_the_cap': -Math.min(...above),
      'stay.at_1000': Number(rows.at(-1)?.[3]),
    },
    tables: [
      {
        name: 'sweep',
        title: `A node of ${NODE_PAGES} pages: ${ENTERING} want in, or ${RESIDENT} are there`,
        columns: ['p', 'entered, v4', 'entered, mended', 'stay', 'cap', 'swapped out'],
        rows,
        chart: {
          x: 'p',
          y: ['entered, v4', 'entered, mended', 'stay', 'cap'],
          xTitle: 'pressure',
          yTitle: 'pages',
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'Does pressure cap what comes in to the node, and what stays?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'As posted no pressure below 1000 keeps demotion out; 1000 keeps everything out.',
      holds: (results) =>
        results.figure('v4.entered.least_below_1000') === ENTERING &&
        results.figure('v4.entered.at_1000') === 0,
    },
    {
      text: 'Mended, half the pressure lets in about half the node.',
      holds: (results) => {
        const half = results.figure('mended.entered.at_500');
        return half > 0.4 * NODE_PAGES && half < 0.55 * NODE_PAGES;
      },
    },
    {
      text: 'What stays is capped: (1 - p / 1000) of the node less its high mark, to one page.',
      holds: (results) => results.figure('stay.most_above_the_cap') <= 1,
    },
    {
      text: 'kswapd overshoots the cap, by more than a batch and less than an eighth of the node.',
      holds: (results) => {
        const below = results.figure('stay.most_below_the_cap');
        return below > BATCH && below < NODE_PAGES / 8;
      },
    },
  ],
});
