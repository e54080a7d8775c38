/**
 * Row 29: a mailbox that is slower than its driver waits. The driver gives the command up after two
 * seconds, zeroes the pages itself and gives them back; the device does the command later all the
 * same, to pages that are in use again. What is lost, and what does it cost to wait instead?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { cramLab, DEVICE, pageRange, rounded, writer } from './kit.ts';

const PAGES = 60;
const ROUNDS = 12;
const DEVICE_PAGES = 1024;
const ROUND_NS = 2e9;
const TIMEOUT_S = 2;
/** Seconds that a slow command takes. */
const SLOW_S = [0, 1, 1.9, 3, 5, 10];
const SLOW_SHARE = 0.3;
const RULES = ['posted', 'mended'] as const;
type Rule = (typeof RULES)[number];

interface Outcome {
  readonly rule: Rule;
  readonly slowS: number;
  readonly gaveUp: number;
  readonly late: number;
  readonly lost: number;
  readonly heldPeak: number;
  readonly reuseMs: number;
}

/** Programs come and go on the node; each reads what it stored before it ends. */
function run(rule: Rule, slowS: number): Outcome {
  const lab = cramLab({
    dramPages: 4096,
    devicePages: DEVICE_PAGES,
    driver: { flush: 'buffers', lateCommands: rule },
    device: {
      // The command that asks what the device can do, at probe, is not slow.
      mailboxFaults: { slowProbability: SLOW_SHARE, slowNs: slowS * 1e9, slowFromNs: 1e8, seed: 3 },
    },
  });
  const { machine } = lab;
  const all = pageRange(PAGES);
  machine.sleep(2e8);
  for (let round = 0; round < ROUNDS; round++) {
    const task = writer(machine, `program ${round}`, PAGES);
    if (task.movePages([...all], DEVICE).rc !== 0) throw new Error('the pages did not move');
    machine.sleep(ROUND_NS);
    for (const vpn of all) task.read(vpn);
    task.exit();
  }
  machine.sleep(15e9);
  machine.verify();
  const stats = machine.stats();
  const of = (name: string): number => stats[name] ?? 0;
  return {
    rule,
    slowS,
    gaveUp: of('device.commands.timed_out'),
    late: of('device.commands.late_effects'),
    lost: of('integrity.lost_pages') + of('integrity.stale_reads'),
    heldPeak: of('flush.limbo_pages.peak'),
    reuseMs: of('flush.reuse_ns.mean') / 1e6,
  };
}

function probe(): Figures {
  const runs = RULES.flatMap((rule) => SLOW_S.map((slowS) => run(rule, slowS)));
  const sum = (pick: (one: Outcome) => number, of: (one: Outcome) => boolean): number =>
    runs.filter(of).reduce((total, one) => total + pick(one), 0);
  const isLate = ({ slowS }: Outcome): boolean => slowS > TIMEOUT_S;
  const find = (rule: Rule, slowS: number): Outcome | undefined =>
    runs.find((one) => one.rule === rule && one.slowS === slowS);
  return {
    values: {
      'in_time.lost': sum(
        ({ lost }) => lost,
        (one) => !isLate(one),
      ),
      'posted.lost': sum(
        ({ lost }) => lost,
        (one) => isLate(one) && one.rule === 'posted',
      ),
      'mended.lost': sum(
        ({ lost }) => lost,
        (one) => isLate(one) && one.rule === 'mended',
      ),
      'late.effects': sum(({ late }) => late, isLate),
      'posted.held_peak.10s': find('posted', 10)?.heldPeak ?? -1,
      'mended.held_peak.10s': find('mended', 10)?.heldPeak ?? -1,
      'in_time.held_differs': SLOW_S.filter(
        (slowS) =>
          slowS <= TIMEOUT_S && find('posted', slowS)?.heldPeak !== find('mended', slowS)?.heldPeak,
      ).length,
    },
    tables: [
      {
        name: 'late',
        title: `${ROUNDS} programs of ${PAGES} pages; ${100 * SLOW_SHARE} % of commands are slow`,
        chart: {
          kind: 'bars',
          x: ['pages of a late command', 'slow one takes s'],
          y: ['pages lost', 'most pages held'],
          title: 'pages',
        },
        columns: [
          'pages of a late command',
          'slow one takes s',
          'given up',
          'done later',
          'pages lost',
          'most pages held',
          'mean ms to reuse',
        ],
        rows: runs.map((one) => [
          one.rule,
          one.slowS,
          one.gaveUp,
          one.late,
          one.lost,
          one.heldPeak,
          rounded(one.reuseMs, 0),
        ]),
      },
    ],
  };
}

export default defineProbe({
  question: 'What does a mailbox do that is slower than its driver waits?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A command that is done before the driver gives up harms nobody.',
      holds: (results) => results.figure('in_time.lost') === 0,
    },
    {
      text: 'One that is done later zeroes pages in use: as posted, contents are lost.',
      holds: (results) => results.figure('posted.lost') > 0 && results.figure('late.effects') > 0,
    },
    {
      text: 'Where its pages wait until the device has come to rest, nothing is lost.',
      holds: (results) => results.figure('mended.lost') === 0,
    },
    {
      text: 'That costs pages which nobody has meanwhile, and nothing while commands are in time.',
      holds: (results) =>
        results.figure('mended.held_peak.10s') > results.figure('posted.held_peak.10s') &&
        results.figure('in_time.held_differs') === 0,
    },
  ],
});
