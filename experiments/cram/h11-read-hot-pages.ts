/**
 * H11: a page that is only read never faults, so nothing brings it back from the device. What does
 * that cost, and what do a device that nominates hot pages (a ring of 1024, overflow dropped) and
 * the limit of the promotion rate get back?
 */
import { hotPages } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { type CramLab, cramLab, DEVICE, onDevice, pageRange, pagesOn, rounded } from './kit.ts';

const HOT = 1500;
const COLD = 500;
const SECONDS = 12;
const READS = 100;
const LINE_NS = 250;
const DRAM_NS = 100;
const SECOND_NS = 1e9;
const PAGES_PER_MB = 256;
const RING = 1024;
const RINGS = [64, 256, RING, 4096];
/** numa_balancing_promote_rate_limit_MBps; the last is the default of the kernel. */
const LIMITS = [1, 4, 65_536];
/** Runs of accesses in a second from which on the device calls a page hot. */
const RUNS = 2;

interface Outcome {
  readonly ring: number;
  readonly limit: number;
  /** Hot pages that are still on the device at the end, and cold ones that are not. */
  readonly stuck: number;
  readonly coldMoved: number;
  readonly overflow: number;
  readonly overLimit: number;
  /** Time that reads took beyond DRAM's, faults and waits included, in ms. */
  readonly lostMs: number;
}

/** Every second the hot pages are read in `RUNS` rounds, the cold ones once. */
function run(ring: number, limit: number): Outcome {
  const watched = { hotPages: { runs: RUNS, epochNs: 0.9 * SECOND_NS } };
  const lab = cramLab({
    dramPages: 4096,
    devicePages: 4096,
    device: { lineNs: LINE_NS, ...(ring > 0 && watched) },
    sysctl: { numa_balancing_promote_rate_limit_MBps: limit },
    plugins: ring > 0 ? [hotPages({ entries: ring })] : [],
  });
  const { machine } = lab;
  const task = onDevice(lab, 'reader', HOT + COLD);
  const [hot, cold] = [pageRange(HOT), pageRange(COLD, HOT)];
  let lostNs = 0;
  for (let second = 0; second < SECONDS; second++) {
    const next = machine.clock.now + SECOND_NS;
    const begin = machine.clock.now;
    for (let round = 0; round < RUNS; round++) for (const vpn of hot) task.read(vpn, READS / RUNS);
    lostNs += machine.clock.now - begin - HOT * READS * DRAM_NS;
    for (const vpn of cold) task.read(vpn);
    machine.sleep(next - machine.clock.now);
  }
  machine.verify();
  return { ring, limit, lostMs: lostNs / 1e6, ...endOf(lab, task, { hot, cold }) };
}

function endOf(
  lab: CramLab,
  task: Parameters<typeof pagesOn>[1],
  { hot, cold }: Readonly<Record<'hot' | 'cold', readonly number[]>>,
): Omit<Outcome, 'ring' | 'limit' | 'lostMs'> {
  const stats = lab.machine.stats();
  return {
    stuck: pagesOn(lab, task, hot, DEVICE),
    coldMoved: COLD - pagesOn(lab, task, cold, DEVICE),
    overflow: stats['cram.hot_pages.overflow'] ?? 0,
    overLimit: stats['cram.hot_pages.over_limit'] ?? 0,
  };
}

/** If the tighter of ring and limit empties the device, second by second. */
function predictedMs(ring: number, limit: number): number {
  const perSecond = Math.min(ring, limit * PAGES_PER_MB);
  let far = 0;
  for (let second = 0; second < SECONDS; second++) far += Math.max(0, HOT - second * perSecond);
  return (far * READS * (LINE_NS - DRAM_NS)) / 1e6;
}

function probe(): Figures {
  const settings = RINGS.flatMap((ring) => LIMITS.map((limit) => [ring, limit] as const));
  const runs = [run(0, LIMITS[0] ?? 1), ...settings.map(([ring, limit]) => run(ring, limit))];
  const of = (ring: number, limit: number): Outcome => {
    const found = runs.find((each) => each.ring === ring && each.limit === limit);
    if (found === undefined) throw new Error(`nobody ran ${ring}, ${limit}`);
    return found;
  };
  const rows = runs.map((one) => [
    one.ring,
    one.ring === 0 ? '–' : one.limit * PAGES_PER_MB,
    one.stuck,
    one.overflow,
    one.overLimit,
    rounded(one.lostMs, 1),
    rounded(predictedMs(one.ring, one.limit), 1),
  ]);
  const off = runs.map(({ ring, limit, lostMs }) => lostMs / predictedMs(ring, limit) - 1);
  const [none] = runs;
  return {
    values: {
      'none.stuck': none?.stuck ?? -1,
      'none.lost_ms': none?.lostMs ?? -1,
      'ring_1024.stuck': of(RING, 65_536).stuck,
      'ring_1024.lost_ms': of(RING, 65_536).lostMs,
      'ring_1024.limit_256.lost_ms': of(RING, 1).lostMs,
      'ring_256.lost_ms': of(256, 65_536).lostMs,
      'ring_64.stuck': of(64, 65_536).stuck,
      'cold.moved': runs.reduce((sum, { coldMoved }) => sum + coldMoved, 0),
      'closed_form.least_off': Math.min(...off),
      'closed_form.most_off': Math.max(...off),
    },
    tables: [
      {
        name: 'nomination',
        title: `${HOT} of ${HOT + COLD} pages read ${READS} times in each of ${SECONDS} seconds`,
        chart: {
          kind: 'bars',
          x: ['ring', 'pages a second, at most'],
          y: ['ms lost', 'closed form'],
          title: 'ms',
        },
        columns: [
          'ring',
          'pages a second, at most',
          'hot and still there',
          'dropped, ring full',
          'dropped, over the limit',
          'ms lost',
          'closed form',
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
        results.figure('ring_1024.lost_ms') < 0.25 * results.figure('none.lost_ms'),
    },
    {
      text: 'The device names no page that is read once a second: none of them moves.',
      holds: (results) => results.figure('cold.moved') === 0,
    },
    {
      text: 'A ring of 64 does not get through in the time.',
      holds: (results) => results.figure('ring_64.stuck') > HOT / 3,
    },
    {
      text: 'A limit of 256 pages a second costs as much as a ring of 256, to a tenth.',
      holds: (results) => {
        const ratio =
          results.figure('ring_1024.limit_256.lost_ms') / results.figure('ring_256.lost_ms');
        return Math.abs(ratio - 1) < 0.1;
      },
    },
    {
      text: 'The tighter of the two decides: what is lost is within a tenth of the closed form.',
      holds: (results) =>
        results.figure('closed_form.least_off') > -0.1 &&
        results.figure('closed_form.most_off') < 0.1,
    },
  ],
});
