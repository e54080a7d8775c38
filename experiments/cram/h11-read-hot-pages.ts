/**
 * H11: a page that is only read never faults, so nothing brings it back from the device. What does
 * that cost, and what do a device that nominates hot pages (a ring of 1024, overflow dropped) and
 * the limit of the promotion rate get back?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import type { Task } from '@mm-lab/mm-core';
import { nodeOf } from '../node/kit.ts';
import { cramLab, DEVICE, DRAM, demote, pageRange } from './kit.ts';

const HOT = 1500;
const COLD = 500;
const EPOCHS = 12;
const READS = 100;
const LINE_NS = 250;
const DRAM_NS = 100;
const RING = 1024;
const RINGS = [0, 64, 256, RING, 4096];
/** Pages per epoch that the rate limit lets through. */
const LIMITS = [64, 256, 4096];

interface Outcome {
  /** Pages that are still on the device at the end. */
  readonly stuck: number;
  readonly dropped: number;
  /** Time that reads lost to the device, in ms. */
  readonly lostMs: number;
}

/** What the device saw being read, oldest first; what does not fit is dropped. */
class NominationRing {
  dropped = 0;
  private readonly pages: number[] = [];
  private readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  nominate(vpn: number): void {
    if (this.pages.length < this.size) this.pages.push(vpn);
    else this.dropped++;
  }

  /** The host reads the ring empty; what is over its rate limit is forgotten. */
  take(limit: number): readonly number[] {
    return this.pages.splice(0).slice(0, limit);
  }
}

function isOnDevice(machine: Parameters<typeof nodeOf>[0], task: Task, vpn: number): boolean {
  return nodeOf(machine, task, vpn) === DEVICE;
}

function run(ringSize: number, limit: number): Outcome {
  const lab = cramLab({ dramPages: 4096, devicePages: 4096, device: { lineNs: LINE_NS } });
  const { machine } = lab;
  const task = machine.createTask('reader');
  const all = pageRange(HOT + COLD);
  task.mmap(0, all.length);
  for (const vpn of all) task.write(vpn);
  const moved = demote(lab, task, all);
  if (moved !== all.length) throw new Error(`${moved} of ${all.length} pages went to the node`);
  const ring = new NominationRing(ringSize);
  let lostNs = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    for (const vpn of pageRange(HOT)) {
      const isFar = isOnDevice(machine, task, vpn);
      const begin = machine.clock.now;
      task.read(vpn, READS);
      lostNs += machine.clock.now - begin - READS * DRAM_NS;
      if (isFar) ring.nominate(vpn);
    }
    const taken = ring.take(limit);
    if (taken.length > 0) task.movePages([...taken], DRAM);
  }
  machine.verify();
  const stuck = pageRange(HOT).filter((vpn) => isOnDevice(machine, task, vpn)).length;
  return { stuck, dropped: ring.dropped, lostMs: lostNs / 1e6 };
}

/** The tighter of ring and limit empties the device step by step. */
function predictedMs(ringSize: number, limit: number): number {
  const perEpoch = Math.min(ringSize, limit);
  let far = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) far += Math.max(0, HOT - epoch * perEpoch);
  return (far * READS * (LINE_NS - DRAM_NS)) / 1e6;
}

function probe(): Figures {
  const settings = RINGS.flatMap((ring) => LIMITS.map((limit) => ({ ring, limit })));
  const runs = settings
    .filter(({ ring, limit }) => ring > 0 || limit === LIMITS.at(-1))
    .map((setting) => ({ ...setting, ...run(setting.ring, setting.limit) }));
  const rows = runs.map(({ ring, limit, stuck, dropped, lostMs }) => {
    return [ring, limit, stuck, dropped, Math.round(lostMs), Math.round(predictedMs(ring, limit))];
  });
  const of = (ring: number, limit: number): Outcome => {
    const found = runs.find((each) => each.ring === ring && each.limit === limit);
    if (found === undefined) throw new Error(`nobody ran ${ring}, ${limit}`);
    return found;
  };
  const off = rows.map((row) => Math.abs(Number(row[4]) - Number(row[5])));
  return {
    values: {
      'none.stuck': of(0, 4096).stuck,
      'none.lost_ms': of(0, 4096).lostMs,
      'ring_1024.stuck': of(RING, 4096).stuck,
      'ring_1024.lost_ms': of(RING, 4096).lostMs,
      'ring_1024.limit_64.stuck': of(RING, 64).stuck,
      'ring_4096.limit_64.lost_ms': of(4096, 64).lostMs,
      'ring_64.lost_ms': of(64, 4096).lostMs,
      'formula.off_by_ms': Math.max(...off),
    },
    tables: [
      {
        name: 'nomination',
        title: `${HOT} pages read ${READS} times in each of ${EPOCHS} epochs`,
        columns: [
          'ring',
          'pages promoted per epoch, at most',
          'still there',
          'nominations dropped',
          'ms lost',
          'formula',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Do pages that are only read get stuck on the device?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Without nomination every page that is only read stays, however hot.',
      holds: (results) => results.figure('none.stuck') === HOT,
    },
    {
      text: 'A ring of 1024 that the host may follow brings all back, and most of the time.',
      holds: (results) =>
        results.figure('ring_1024.stuck') === 0 &&
        results.figure('ring_1024.lost_ms') < 0.15 * results.figure('none.lost_ms'),
    },
    {
      text: 'The tighter of ring and rate limit decides: 64 of either lose the same.',
      holds: (results) =>
        results.figure('ring_64.lost_ms') === results.figure('ring_4096.limit_64.lost_ms') &&
        results.figure('ring_1024.limit_64.stuck') > HOT / 3,
    },
    {
      text: 'The time lost is what the formula says, within a millisecond.',
      holds: (results) => results.figure('formula.off_by_ms') <= 1,
    },
  ],
});
