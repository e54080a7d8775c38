/**
 * H7: promotion on a store is mandatory, and at full pressure demotion is shut. So what the device
 * is spared DRAM must take: the device is safe and the host is not.
 */
import type { CramOptions } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { VM_FAULT_RETRY } from '@mm-lab/mm-core';
import { type CramLab, cramLab, DEVICE, DRAM, onDevice, rounded } from './kit.ts';

const DRAM_PAGES = 1024;
const ON_DEVICE = 768;
/** A store that has begun anew so often for want of DRAM will never end. */
const RETRIES_MAX = 8;
const STORES = [64, 128, 192, 256, 320, 384];
const SLOTS = [0, 64, 128, 192, 256, 320];
/** Free pages of DRAM when the episode begins. */
const MARGIN = 192;

type Outcome = 'host lives' | 'host dead: a store never ends' | 'host dead: OOM kill';

/** Thrown out of a fault that will not end. */
class NeverEnds extends Error {}

interface Episode {
  readonly outcome: Outcome;
  /** Stores that were done. */
  readonly stores: number;
  readonly usPerStore: number;
  readonly lost: number;
}

/**
 * DRAM is full but for a margin, the device says 1000, and a program stores to its pages there.
 * Swap reads nothing ahead: such a page has a slot and DRAM until it is used, so the bound, which
 * counts a page once, would not be exact.
 */
function episode(stores: number, slots: number, cram: CramOptions): Episode {
  const lab = cramLab({
    dramPages: DRAM_PAGES,
    devicePages: 1024,
    cram,
    sysctl: { min_free_kbytes: 64, page_cluster: 0 },
    ...(slots > 0 && { swap: { kind: 'disk', pages: slots } }),
  });
  const { machine } = lab;
  const storing = onDevice(lab, 'writer', ON_DEVICE);
  fillDram(lab);
  lab.cram?.cram_set_pressure(DEVICE, 1000);
  const begin = machine.clock.now;
  let done = 0;
  let outcome: Outcome = 'host lives';
  try {
    endEndless(lab);
    for (; done < stores; done++) if (storing.write(done) !== 'ok') break;
    const killed = machine.stats()['vmstat.oom_kill'] ?? 0;
    if (done < stores || killed > 0) outcome = 'host dead: OOM kill';
  } catch (error) {
    if (!(error instanceof NeverEnds)) throw error;
    outcome = 'host dead: a store never ends';
  }
  const ns = machine.clock.now - begin;
  const lost = machine.stats()['device.overflow_events'] ?? 0;
  return { outcome, stores: done, usPerStore: ns / Math.max(1, done) / 1000, lost };
}

/** A program whose pages leave `MARGIN` free above what DRAM keeps for itself. */
function fillDram({ machine }: CramLab): void {
  const hog = machine.createTask('hog');
  hog.mmap(0, DRAM_PAGES);
  for (let vpn = 0; machine.nodes.pgdat(DRAM).unusedPages() > MARGIN; vpn++) hog.write(vpn);
}

function endEndless({ machine }: CramLab): void {
  let retries = 0;
  machine.tracepoints.mm_fault.on((_now, _vpn, _write, result) => {
    retries = (result & VM_FAULT_RETRY) === 0 ? 0 : retries + 1;
    if (retries > RETRIES_MAX) throw new NeverEnds('a store that never ends');
  });
}

function planeRows(): readonly (readonly (string | number)[])[] {
  return STORES.flatMap((stores) =>
    SLOTS.map((slots) => [stores, slots, episode(stores, slots, {}).outcome]),
  );
}

function probe(): Figures {
  const plane = planeRows();
  const dead = plane.filter(([, , outcome]) => outcome !== 'host lives').length;
  const last = 512;
  const cases = [
    ['no swap', 0, {}],
    ['no swap, fullDram mended', 0, { fullDram: 'mended' }],
    ['swap on a disk', 4096, {}],
  ] as const;
  const rows = cases.map(([name, slots, cram]) => {
    const { outcome, stores, usPerStore, lost } = episode(last, slots, cram);
    return [name, outcome, stores, rounded(usPerStore, 1), lost];
  });
  const margin = Number(rows[0]?.[2]);
  const wrong = plane.filter(
    ([stores, slots, outcome]) =>
      (outcome === 'host lives') !== Number(stores) <= margin + Number(slots),
  );
  return {
    values: {
      cells: plane.length,
      'cells.wrong_side': wrong.length,
      'cells.host_dead': dead,
      'device.lost': rows.reduce((sum, row) => sum + Number(row[4]), 0),
      'no_swap.stores': Number(rows[0]?.[2]),
      'with_swap.stores': Number(rows[2]?.[2]),
      'with_swap.us_per_store': Number(rows[2]?.[3]),
    },
    tables: [
      {
        name: 'cases',
        title: `${last} stores to pages on the device, ${MARGIN} pages of DRAM free, pressure 1000`,
        columns: ['host', 'outcome', 'stores done', 'µs a store', 'lost on the device'],
        rows,
      },
      {
        name: 'plane',
        title: 'The device is safe in every cell; the host is not',
        columns: ['stores', 'swap slots', 'outcome'],
        rows: plane,
        plotOnly: true,
        chart: {
          kind: 'plane',
          x: 'stores',
          y: 'swap slots',
          colour: 'outcome',
          bad: ['host dead: a store never ends', 'host dead: OOM kill'],
          xTitle: 'stores to the device in the episode',
          yTitle: 'swap slots',
          curves: [
            {
              name: 'stores = what DRAM had room for + slots',
              points: STORES.map((stores) => [stores, Math.max(0, stores - margin)]),
            },
          ],
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'Where does the bear go when the device is safe?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'The device never loses a page.',
      holds: (results) => results.figure('device.lost') === 0,
    },
    {
      text: 'Without swap the host is dead once DRAM’s margin is used up: a store never ends.',
      holds: (results) =>
        results.column('cases', 'outcome')[0] === 'host dead: a store never ends' &&
        results.figure('no_swap.stores') <= MARGIN,
    },
    {
      text: 'With `fullDram` mended it ends in an OOM kill instead.',
      holds: (results) => results.column('cases', 'outcome')[1] === 'host dead: OOM kill',
    },
    {
      text: 'With enough swap the host lives.',
      holds: (results) => results.column('cases', 'outcome')[2] === 'host lives',
    },
    {
      text: 'The host dies exactly where the stores need more than DRAM’s room and the swap slots.',
      holds: (results) =>
        results.figure('cells.wrong_side') === 0 &&
        results.figure('cells.host_dead') > 0 &&
        results.figure('cells.host_dead') < results.figure('cells'),
    },
  ],
});
