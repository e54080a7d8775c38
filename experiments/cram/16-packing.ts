/**
 * Row 16, the other half of "compressed capacity lies": where do compressed pages lie, what do
 * holes between them take of the capacity, and what does it cost to get that back?
 */
import type { CxlCompressOptions } from '@mm-lab/backend-cxl-compress';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PAGE_SIZE, type PageData, Prng, type Task } from '@mm-lab/mm-core';
import { shuffled } from '@mm-lab/workloads';
import { nodeOf } from '../node/kit.ts';
import {
  bytes,
  type CramLab,
  cramLab,
  DEVICE,
  DRAM,
  demote,
  pageRange,
  recordedPages,
  rounded,
  writer,
} from './kit.ts';

const PAGES = 1400;
const CAPACITY_PAGES = 400;
/** Pages that are offered at a time. */
const BATCH = 16;
/** The device is filled so many times; between, this share of what is on it is stored to. */
const ROUNDS = 6;
const STORED_SHARE = 0.3;
/** Classes of an eighth of a page. */
const CLASSES = [1, 2, 3, 4, 5, 6, 7, 8].map((eighths) => (eighths * PAGE_SIZE) / 8);
/** Near the end, so that there is little room but in holes: 20 pages, one batch and a bit. */
const MARKS = { lowFraction: 0.95, highFraction: 0.85, interruptNs: 1000 };
/** Bytes per ns that the device moves to make room. */
const MOVES = { bytesPerNs: 13.3 };

const CLASSED = { packing: CLASSES } as const;
const WHOLE = { packing: 'first-fit' } as const;
const APART = { packing: 'first-fit', blockBytes: 1024 } as const;

type Medium = readonly [key: string, name: string, device: Partial<CxlCompressOptions>];
const MEDIA: readonly Medium[] = [
  ['packed', 'packed, no waste', {}],
  ['classes', 'size classes', CLASSED],
  ['classes_paid', 'size classes, compacted', { ...CLASSED, compaction: MOVES }],
  ['whole', 'first fit, page in one piece', WHOLE],
  ['whole_paid', 'first fit, page in one piece, compacted', { ...WHOLE, compaction: MOVES }],
  ['apart', 'first fit, 1 KiB blocks', APART],
  ['apart_paid', 'first fit, 1 KiB blocks, compacted', { ...APART, compaction: MOVES }],
];

interface Outcome {
  /** Pages on the device at the end of a round, on average over all but the first. */
  readonly pages: number;
  /** Bytes of the capacity that hold something then, and that fragmentation takes away, of 1. */
  readonly stored: number;
  readonly wasted: number;
  /** Rounds after the first in which the door did not open. */
  readonly shut: number;
  readonly movedPerByte: number;
  readonly demoteNs: number;
  readonly lost: number;
}

/** Fills the device until CRAM shuts the door, stores to a part of what is there, and again. */
function run(contents: PageData, device: Partial<CxlCompressOptions>): Outcome {
  const lab = cramLab({
    dramPages: PAGES + 512,
    devicePages: PAGES,
    capacityBytes: bytes(CAPACITY_PAGES),
    contents,
    device: { ...MARKS, ...device },
  });
  const { machine } = lab;
  const task = writer(machine, 'program', PAGES);
  const prng = new Prng(1);
  let demoted = 0;
  let demoteNs = 0;
  const ends: { readonly pages: number; readonly wasted: number; readonly used: number }[] = [];
  let shut = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 0) storeToSome(task, pagesThere(lab, task), prng);
    machine.spend();
    const begin = machine.clock.now;
    const came = fill(lab, task, [...shuffled(PAGES, prng)]);
    demoted += came;
    demoteNs += machine.clock.now - begin;
    if (round === 0) continue;
    if (came === 0) shut++;
    const { 'device.fragmentation_bytes': wasted = 0, 'device.physical_bytes': used = 0 } =
      machine.stats();
    ends.push({ pages: lab.device.storedPages(), wasted, used });
  }
  machine.verify();
  const stats = machine.stats();
  const of = (name: string): number => stats[name] ?? 0;
  const mean = (pick: (end: (typeof ends)[number]) => number): number =>
    ends.reduce((sum, end) => sum + pick(end), 0) / ends.length;
  const { capacityBytes } = lab.device;
  return {
    pages: mean(({ pages }) => pages),
    stored: mean(({ used, wasted }) => used - wasted) / capacityBytes,
    wasted: mean(({ wasted }) => wasted) / capacityBytes,
    shut,
    movedPerByte: of('device.compaction.moved_bytes') / bytes(demoted),
    demoteNs: demoteNs / demoted,
    lost: of('integrity.lost_pages') + of('device.overflow_events'),
  };
}

/** Demotes in this order until nothing goes any more. @returns pages that went */
function fill(lab: CramLab, task: Task, order: readonly number[]): number {
  let demoted = 0;
  for (let at = 0; at < order.length; at += BATCH) {
    if ((lab.cram?.pressureOf(DEVICE) ?? 0) > 0) break;
    demoted += demote(lab, task, order.slice(at, at + BATCH));
  }
  return demoted;
}

function pagesThere({ machine }: CramLab, task: Task): readonly number[] {
  return pageRange(PAGES).filter((vpn) => nodeOf(machine, task, vpn) !== DRAM);
}

function storeToSome(task: Task, vpns: readonly number[], prng: Prng): void {
  for (const vpn of vpns) if (prng.chance(STORED_SHARE)) task.write(vpn);
}

const PROGRAMS = ['redis-kv', 'sort-text'] as const;

async function probe(): Promise<Figures> {
  const values: Record<string, number> = {};
  let lost = 0;
  const rows: (readonly (string | number)[])[] = [];
  for (const program of PROGRAMS) {
    const contents = await recordedPages(program);
    const outcomes = MEDIA.map(([key, name, device]) => ({ key, name, ...run(contents, device) }));
    const packed = outcomes.find(({ key }) => key === 'packed')?.pages ?? Number.NaN;
    for (const { key, name, ...one } of outcomes) {
      values[`${program}.${key}.pages`] = one.pages / packed;
      values[`${program}.${key}.wasted`] = one.wasted;
      values[`${program}.${key}.moved`] = one.movedPerByte;
      lost += one.lost;
      rows.push([
        ...[program, name, Math.round(one.pages), rounded(one.pages / packed, 2)],
        ...[rounded(100 * one.stored, 1), rounded(100 * one.wasted, 1), one.shut],
        ...[rounded(one.movedPerByte, 2), Math.round(one.demoteNs)],
      ]);
    }
  }
  return {
    values: { ...values, lost },
    tables: [
      {
        name: 'media',
        title: `A device of ${CAPACITY_PAGES} pages, filled ${ROUNDS} times to its low mark`,
        chart: {
          kind: 'bars',
          x: ['contents', 'medium'],
          y: ['stored %', 'lost to holes %'],
          title: '% of the capacity',
        },
        columns: [
          ...['contents', 'medium', 'pages held', 'of packed'],
          ...['stored %', 'lost to holes %', 'rounds shut'],
          ...['moved per byte', 'ns a demoted page'],
        ],
        rows,
      },
    ],
  };
}

/** Does it hold for both programs? */
function both(holds: (program: string) => boolean): boolean {
  return PROGRAMS.every(holds);
}

export default defineProbe({
  question: 'What does fragmentation take of a compressing device, and what does compaction cost?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Whatever the medium wastes, CRAM loses nothing: usage counts it.',
      holds: (results) => results.figure('lost') === 0,
    },
    {
      text: 'Never compacted, classes hold at least a sixth less than packed; first fit less, too.',
      holds: (results) =>
        both((of) => results.figure(`${of}.classes.pages`) < 5 / 6) &&
        both((of) => results.figure(`${of}.whole.pages`) < 0.96),
    },
    {
      text: 'Closing holes brings all of it back, for less than half a byte moved per byte.',
      holds: (results) =>
        both((of) => results.figure(`${of}.whole_paid.pages`) > 0.98) &&
        both((of) => results.figure(`${of}.whole_paid.moved`) < 0.5),
    },
    {
      text: 'Packing classes anew brings back what chunks waste, not what slots do.',
      holds: (results) =>
        both((of) => results.figure(`${of}.classes_paid.pages`) < 0.85) &&
        both(
          (of) =>
            results.figure(`${of}.classes_paid.pages`) > results.figure(`${of}.classes.pages`),
        ),
    },
    {
      text: 'Blocks apart lose at most half as much to holes, more by rounding and a worse ratio.',
      holds: (results) =>
        both(
          (of) => results.figure(`${of}.apart.wasted`) < results.figure(`${of}.whole.wasted`) / 2,
        ) && both((of) => results.figure(`${of}.apart_paid.pages`) < 0.9),
    },
  ],
});
