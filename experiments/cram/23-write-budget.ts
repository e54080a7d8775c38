/**
 * Row 23: a budget of writable pages that the host counts, against tokens that the device grants
 * for a period (Price and George, 2026-04-27 to 2026-05-22): what do they save, what do they risk?
 */
import { tokenBucket, writableFraction } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PAGE_SIZE, type Plugin, Prng, type Task } from '@mm-lab/mm-core';
import {
  bytes,
  type CramLab,
  cramLab,
  demote,
  during,
  onDevice,
  pageRange,
  rounded,
  sizedPages,
} from './kit.ts';

const PAGES = 1000;
const PAGE_BYTES = 2048;
const CAPACITY_PAGES = 600;
/** Entry stops at this mark; what came in first takes 500 pages. */
const LOW_PAGES = 510;
/** What is late when the interrupt comes fits below this. */
const ENTRY_PAGES = 560;
/** Pages of a list of reclaim. */
const BATCH = 8;
/** Pages that the rest holds raw. */
const ROOM_PAGES = CAPACITY_PAGES - ENTRY_PAGES;
const PERIOD_NS = 1_000_000;
const STORES = 4000;
/** The program stores to this many of its pages, over and over. */
const HOT_PAGES = 300;

interface Rule {
  readonly name: string;
  readonly size: number;
  readonly policy: readonly Plugin[];
  /** Does the device's control path work? */
  readonly control: 'works' | 'is dead';
}

function budget(pages: number): Rule {
  const policy = [writableFraction({ budgetPages: pages, revokeAt: null })];
  return { name: 'host count', size: pages, policy, control: 'works' };
}

function tokens(count: number, control: Rule['control']): Rule {
  const dies = control === 'works' ? {} : { controlPathDiesNs: 0 };
  const policy = [
    tokenBucket({ tokens: count, periodNs: PERIOD_NS, entryBytes: bytes(ENTRY_PAGES), ...dies }),
  ];
  return { name: 'device tokens', size: count, policy, control };
}

const RULES: readonly Rule[] = [
  ...[0, 20, 40, 80, 160, 320].map(budget),
  ...[20, 40, 80, 160, 320].map((count) => tokens(count, 'works')),
  { ...budget(160), control: 'is dead' },
  tokens(160, 'is dead'),
];

interface Outcome {
  readonly promotions: number;
  readonly inPlace: number;
  readonly faults: number;
  readonly overflow: number;
  readonly lost: number;
  readonly ns: number;
}

/** Every store turns its page incompressible. */
function run({ policy }: Rule, seed: number): Outcome {
  let isDrifting = false;
  const lab = cramLab({
    devicePages: 1200,
    capacityBytes: bytes(CAPACITY_PAGES),
    device: { lowBytes: bytes(LOW_PAGES), highBytes: bytes(LOW_PAGES) - PAGE_SIZE },
    contents: sizedPages(() => (isDrifting ? PAGE_SIZE : PAGE_BYTES)),
    plugins: policy,
  });
  const { machine } = lab;
  const task = onDevice(lab, 'writer', PAGES);
  isDrifting = true;
  const prng = new Prng(seed);
  const begin = machine.clock.now;
  const grew = during(lab, () => {
    for (let at = 0; at < STORES; at++) {
      const vpn = prng.below(HOT_PAGES);
      task.write(vpn);
      // What was promoted grows cold and is demoted again, as reclaim would have it.
      if (at % 500 === 499) demoteInBatches(lab, task);
    }
  });
  const ns = (machine.clock.now - begin) / STORES;
  for (const vpn of pageRange(PAGES)) task.read(vpn);
  machine.verify();
  return {
    promotions: grew['cram.promotions'] ?? 0,
    inPlace: grew['cram.writes_in_place'] ?? 0,
    faults: grew['fault.minor'] ?? 0,
    overflow: grew['device.overflow_events'] ?? 0,
    lost: machine.stats()['integrity.lost_pages'] ?? 0,
    ns,
  };
}

function demoteInBatches(lab: CramLab, task: Task): void {
  for (let from = 0; from < HOT_PAGES; from += BATCH) demote(lab, task, pageRange(BATCH, from));
}

function probe({ seed }: { seed: number }): Figures {
  const outcomes = RULES.map((rule) => ({ rule, ...run(rule, seed) }));
  const lostOf = (keep: (rule: Rule) => boolean): number =>
    outcomes.filter(({ rule }) => keep(rule)).reduce((sum, { lost }) => sum + lost, 0);
  const promotionsOf = (name: string, size: number): number =>
    outcomes.find(({ rule }) => rule.name === name && rule.size === size)?.promotions ?? 0;
  return {
    values: {
      'host.small.lost': lostOf(({ name, size }) => name === 'host count' && size <= ROOM_PAGES),
      'host.large.lost': lostOf(({ name, size }) => name === 'host count' && size > ROOM_PAGES),
      'tokens.lost': lostOf(({ name }) => name === 'device tokens'),
      'promotions.none': promotionsOf('host count', 0),
      'promotions.host_80': promotionsOf('host count', 80),
      'promotions.tokens_80': promotionsOf('device tokens', 80),
      'tokens.dead.in_place': outcomes.at(-1)?.inPlace ?? -1,
    },
    tables: [
      {
        name: 'budgets',
        title: `${STORES} stores to ${HOT_PAGES} pages; the device has room for ${ROOM_PAGES} raw`,
        chart: {
          kind: 'bars',
          x: ['rule', 'pages', 'control path'],
          y: ['promotions', 'granted in place', 'pages lost'],
        },
        columns: [
          'rule',
          'pages',
          'control path',
          'promotions',
          'granted in place',
          'faults',
          'overflows',
          'pages lost',
          'ns per store',
        ],
        rows: outcomes.map(({ rule, ...one }) => [
          rule.name,
          rule.size,
          rule.control,
          one.promotions,
          one.inPlace,
          one.faults,
          one.overflow,
          one.lost,
          rounded(one.ns, 0),
        ]),
      },
    ],
  };
}

export default defineProbe({
  question: 'What does a budget of writable pages save and risk, by whom it is counted?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A budget that the host counts is safe up to what the device can hold raw, not beyond.',
      holds: (results) =>
        results.figure('host.small.lost') === 0 && results.figure('host.large.lost') > 0,
    },
    {
      text: 'Tokens that the device grants lose nothing, however many a period is to have.',
      holds: (results) => results.figure('tokens.lost') === 0,
    },
    {
      text: 'Both save promotions against the model of v4, where every first store promotes.',
      holds: (results) =>
        results.figure('promotions.host_80') < results.figure('promotions.none') &&
        results.figure('promotions.tokens_80') < results.figure('promotions.none'),
    },
    {
      text: 'With a dead control path tokens fall back to v4: no store goes on in place.',
      holds: (results) => results.figure('tokens.dead.in_place') === 0,
    },
  ],
});
