/**
 * Row 26: the OOM kill as the last rung of the balloon's ladder. Residents cannot leave, there is
 * no swap, and a program turns its pages incompressible: who dies, and what is lost if nobody does?
 * (the wide variant of the later trees)
 */
import { balloon, noPressure, pressurePolicy, writableFraction } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PAGE_SIZE, type Plugin, type Task } from '@mm-lab/mm-core';
import { fillNode } from '../node/kit.ts';
import { bytes, cramLab, DRAM, onDevice, pageRange, sizedPages } from './kit.ts';

const DEVICE_PAGES = 1536;
const CAPACITY_PAGES = 768;
const ZRATIO = 2000;
const GROWER_PAGES = 800;
const BYSTANDER_PAGES = 400;
const PAGE_BYTES = 2048;
const LOW = 0.85;
/** From one store of the program to the next. */
const STORE_EVERY_NS = 100_000;

interface Ladder {
  readonly name: string;
  readonly plugins: readonly Plugin[];
  readonly swapPages: number;
}

const writable = writableFraction({ budgetPages: GROWER_PAGES, revokeAt: null });
/** Share of the capacity that the driver keeps back when it reports the ratio. */
const RESERVE = 0.1;
const tight = balloon({ zratio: ZRATIO, pollNs: 1_000_000 });
const later = balloon({ zratio: ZRATIO, pollNs: 1_000_000, reserve: RESERVE });

const LADDERS: readonly Ladder[] = [
  { name: 'nobody reacts', plugins: [pressurePolicy(noPressure), writable], swapPages: 0 },
  { name: 'pressure of v4, no swap', plugins: [writable], swapPages: 0 },
  { name: 'ladder, swap', plugins: [pressurePolicy(noPressure), writable, later], swapPages: 4096 },
  {
    name: 'ladder, no swap, no reserve',
    plugins: [pressurePolicy(noPressure), writable, tight],
    swapPages: 0,
  },
  { name: 'ladder, no swap', plugins: [pressurePolicy(noPressure), writable, later], swapPages: 0 },
];

interface Outcome {
  readonly name: string;
  readonly kills: number;
  readonly grower: string;
  readonly bystander: string;
  readonly swapped: number;
  readonly overflow: number;
  readonly lost: number;
}

function run({ name, plugins, swapPages }: Ladder): Outcome {
  let bytesNow = PAGE_BYTES;
  const lab = cramLab({
    dramPages: 2048,
    devicePages: DEVICE_PAGES,
    capacityBytes: bytes(CAPACITY_PAGES),
    device: { lowFraction: LOW, highFraction: 0.8 },
    contents: sizedPages(() => bytesNow),
    ...(swapPages > 0 && { swap: { kind: 'disk' as const, pages: swapPages } }),
    plugins,
  });
  const { machine } = lab;
  const grower = onDevice(lab, 'grower', GROWER_PAGES);
  const bystander = onDevice(lab, 'bystander', BYSTANDER_PAGES);
  if (swapPages === 0) fillNode(machine, DRAM);
  bytesNow = PAGE_SIZE;
  let growing = 'lives';
  for (const vpn of pageRange(GROWER_PAGES)) {
    if (grower.write(vpn) === 'killed') {
      growing = 'killed';
      break;
    }
    machine.clock.advance(STORE_EVERY_NS);
  }
  const check = (task: Task, pages: number): void => {
    for (const vpn of pageRange(pages)) if (task.read(vpn) === 'killed') return;
  };
  if (growing === 'lives') check(grower, GROWER_PAGES);
  check(bystander, BYSTANDER_PAGES);
  machine.verify();
  const stats = machine.stats();
  return {
    name,
    kills: machine.vmstat().oom_kill,
    grower: machine.oom.isVictim(grower.mm.id) ? 'killed' : growing,
    bystander: machine.oom.isVictim(bystander.mm.id) ? 'killed' : 'lives',
    swapped: stats['swap.out'] ?? 0,
    overflow: stats['device.overflow_events'] ?? 0,
    lost: stats['integrity.lost_pages'] ?? 0,
  };
}

function probe(): Figures {
  const outcomes = LADDERS.map(run);
  const [nobody, pressure, swapping, late, last] = outcomes;
  return {
    values: {
      'nobody.lost': nobody?.lost ?? 0,
      'pressure.lost': pressure?.lost ?? 0,
      'swap.lost': swapping?.lost ?? -1,
      'swap.kills': swapping?.kills ?? -1,
      'late.lost': late?.lost ?? -1,
      'last.lost': last?.lost ?? -1,
      'last.kills': last?.kills ?? -1,
      'last.bystander_lives': last?.bystander === 'lives' ? 1 : 0,
    },
    tables: [
      {
        name: 'ladder',
        title: `${GROWER_PAGES} pages turn incompressible, ${BYSTANDER_PAGES} are somebody else’s`,
        chart: { kind: 'bars', x: ['who reacts'], y: ['overflows', 'pages lost'] },
        columns: [
          'who reacts',
          'kills',
          'grower',
          'bystander',
          'swapped',
          'overflows',
          'pages lost',
        ],
        rows: outcomes.map((one) => [
          one.name,
          one.kills,
          one.grower,
          one.bystander,
          one.swapped,
          one.overflow,
          one.lost,
        ]),
      },
    ],
  };
}

export default defineProbe({
  question: 'When residents cannot leave a device that overflows, what does a kill avoid?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'If nobody reacts, data is lost and nobody is told.',
      holds: (results) => results.figure('nobody.lost') > 0,
    },
    {
      text: 'v4’s pressure does not help where nothing can be evicted.',
      holds: (results) => results.figure('pressure.lost') > 0,
    },
    {
      text: 'With swap the ladder ends before a kill, and nothing is lost.',
      holds: (results) => results.figure('swap.kills') === 0 && results.figure('swap.lost') === 0,
    },
    {
      text: 'A driver that reports all the capacity is not late: nothing is lost before a kill.',
      holds: (results) => results.figure('late.lost') === 0,
    },
    {
      text: 'Without swap one program is killed, nothing of the other’s is lost, and it lives.',
      holds: (results) =>
        results.figure('last.kills') === 1 &&
        results.figure('last.lost') === 0 &&
        results.figure('last.bystander_lives') === 1,
    },
  ],
});
