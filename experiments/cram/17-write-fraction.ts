/**
 * Row 17: a read-only device costs a promotion for each first store. How much, by the share of
 * accesses that store? (Arun George, 2026-04-27: does read-only cost too much?)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { type PageData, Prng } from '@mm-lab/mm-core';
import { nodeOf } from '../node/kit.ts';
import { cramLab, DEVICE, during, recordedPages, rounded, writer } from './kit.ts';

const DRAM_PAGES = 640;
const PAGES = 1024;
const ACCESSES = 4000;
const SHARES = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5];
/** A store writes one machine word. */
const WORD_BYTES = 8;

interface Cost {
  readonly faults: number;
  readonly promoted: number;
  /** Promotions of a page that had been promoted before. */
  readonly again: number;
  readonly movedBytes: number;
  readonly stores: number;
  readonly ns: number;
}

/** Uniform accesses to more pages than DRAM has, so that the rest is always on the device. */
function play(guard: 'cram' | 'nobody', share: number, contents: PageData): Cost {
  const lab = cramLab({ guard, contents, dramPages: DRAM_PAGES, devicePages: 2048 });
  const { machine } = lab;
  const random = new Prng(17);
  const task = writer(machine, 'program', PAGES);
  const promotions = new Map<number, number>();
  let stores = 0;
  const begin = machine.clock.now;
  const stats = during(lab, () => {
    for (let access = 0; access < ACCESSES; access++) {
      const vpn = random.below(PAGES);
      const isStore = random.chance(share);
      const wasThere = nodeOf(machine, task, vpn) === DEVICE;
      task.access(vpn, isStore);
      if (isStore) stores++;
      const promotes = isStore && wasThere && guard === 'cram';
      if (promotes) promotions.set(vpn, (promotions.get(vpn) ?? 0) + 1);
    }
  });
  const ns = machine.clock.now - begin;
  machine.verify();
  const promoted = stats['migrate.promoted'] ?? 0;
  return {
    faults: (stats['fault.minor'] ?? 0) + (stats['fault.major'] ?? 0),
    promoted,
    again: [...promotions.values()].reduce((sum, times) => sum + times - 1, 0),
    movedBytes: (promoted + (stats['migrate.demoted'] ?? 0)) * 4096,
    stores,
    ns: ns / ACCESSES,
  };
}

async function probe(): Promise<Figures> {
  const contents = await recordedPages('redis-kv');
  const rows = SHARES.map((share) => {
    const cram = play('cram', share, contents);
    const nobody = play('nobody', share, contents);
    return [
      100 * share,
      cram.faults,
      cram.promoted,
      cram.again,
      cram.stores === 0 ? 0 : Math.round(cram.movedBytes / (cram.stores * WORD_BYTES)),
      rounded(cram.ns, 0),
      rounded(nobody.ns, 0),
    ];
  });
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  const last = rows.length - 1;
  return {
    values: {
      'reads_only.faults': of(0, 1),
      'reads_only.ns': of(0, 5),
      'reads_only.ns.writable': of(0, 6),
      'half.ns': of(last, 5),
      'half.ns.writable': of(last, 6),
      'half.promoted': of(last, 2),
      'half.promoted_again': of(last, 3),
      'two_percent.ns': of(1, 5),
      'two_percent.ns.writable': of(1, 6),
    },
    tables: [
      {
        name: 'shares',
        title: `${ACCESSES} uniform accesses to ${PAGES} pages, ${DRAM_PAGES} of DRAM`,
        columns: [
          'stores %',
          'faults',
          'promoted',
          'again',
          'bytes moved per byte',
          'CRAM ns',
          'writable ns',
        ],
        rows,
        chart: {
          x: 'stores %',
          y: ['CRAM ns', 'writable ns'],
          xTitle: 'share of accesses that store, %',
          yTitle: 'ns per access',
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'What does a read-only device cost, by the share of accesses that store?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Reads alone fault never and cost what they cost on an ordinary node, to 5 %.',
      holds: (results) =>
        results.figure('reads_only.faults') === 0 &&
        results.figure('reads_only.ns') <= 1.05 * results.figure('reads_only.ns.writable'),
    },
    {
      text: 'Two stores in a hundred accesses already cost more than half as much again.',
      holds: (results) =>
        results.figure('two_percent.ns') > 1.5 * results.figure('two_percent.ns.writable'),
    },
    {
      text: 'Half of the accesses stores: ten times slower, and a tenth of the promotions repeat.',
      holds: (results) =>
        results.figure('half.ns') > 10 * results.figure('half.ns.writable') &&
        results.figure('half.promoted_again') > results.figure('half.promoted') / 10,
    },
  ],
});
