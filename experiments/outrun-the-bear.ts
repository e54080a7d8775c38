/**
 * Outrun the bear: the pages of a program turn incompressible while it writes them. How many of
 * them may turn before a device that nobody guards loses data, and what do CRAM and ZONE_DEVICE do
 * there and beyond?
 */
import { cxlCompressDevice, cxlCompression, cxlSysram } from '@mm-lab/backend-cxl-compress';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { defineExperiment, type FigureRunner, type Figures, type Stats } from '@mm-lab/lab';
import { diskSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';

const PAGE = 4096;
const DRAM_PAGES = 3584;
const DEVICE_PAGES = 3072;
/** Before the drift a page shrinks to a third, and the device promises three times what it has. */
const RATIO = 3;
const PHYSICAL_BYTES = (DEVICE_PAGES / RATIO) * PAGE;
const PER_MILLE = 1000;
const GUARDED = ['cram', 'cram-v4', 'zone-device'];
const GUARDS = ['unguarded', ...GUARDED];

const device = () =>
  cxlCompressDevice({
    name: 'cxl0',
    logicalPages: DEVICE_PAGES,
    capacityBytes: PHYSICAL_BYTES,
    codec: 'lz4',
    blockBytes: PAGE,
  });
const disk = () => diskSwap({ pages: 8192 });

export default defineExperiment({
  name: 'outrun-the-bear',
  question: 'Contents turn incompressible while the program writes: who outruns the bear?',
  seed: 1,
  /** Pages that turn incompressible, per mille. */
  params: { share: PER_MILLE },
  machine: {
    nodes: [
      { id: 0, pages: DRAM_PAGES, cpus: 2 },
      { id: 1, pages: DEVICE_PAGES, online: false, movable: true },
    ],
    sysctl: { demotion_enabled: true },
  },
  workload: ({ share = PER_MILLE }) => ({
    trace: 'redis-kv',
    contents: {
      kind: 'drifting',
      ratio: { kind: 'fixed', ratio: RATIO },
      toRatio: 1,
      start: 0.3,
      end: 0.6,
      pageShare: share / PER_MILLE,
    },
  }),
  variants: [
    {
      name: 'unguarded',
      title: 'Ordinary N_MEMORY, nobody guards it',
      plugins: () => [device(), cxlSysram({ nid: 1 }), disk()],
    },
    {
      name: 'cram',
      title: 'N_MEMORY_PRIVATE and CRAM, three holes of RFC v4 mended',
      plugins: () => [
        nodePrivate(MENDED_FOR_CRAM),
        cram(),
        device(),
        cxlCompression({ nid: 1 }),
        disk(),
      ],
    },
    {
      name: 'cram-v4',
      title: 'N_MEMORY_PRIVATE and CRAM as posted: frees by reclaim are not scrubbed',
      plugins: () => [nodePrivate(), cram(), device(), cxlCompression({ nid: 1 }), disk()],
    },
    {
      name: 'zone-device',
      title: 'ZONE_DEVICE with its own driver',
      plugins: () => [device(), zoneDeviceCompress({ device: 'cxl0', nid: 1 }), disk()],
    },
  ],
  figures: findTheBear,
  claims: [
    {
      text: 'There is a share of turning pages from which the unguarded node loses data.',
      holds: (results) => results.figure('unguarded.share_lost') <= PER_MILLE,
    },
    {
      text: 'Neither CRAM nor ZONE_DEVICE ever overflows the device or loses a page.',
      holds: (results) =>
        results.figure('guarded.overflow_events') === 0 &&
        results.figure('guarded.lost_pages') === 0,
    },
    {
      text: 'Stale or foreign contents are never read.',
      holds: (results) => results.figure('stale_or_leaked') === 0,
    },
  ],
});

/** Bisects the share at which the unguarded node first loses a page, then measures around it. */
async function findTheBear(runner: FigureRunner): Promise<Figures> {
  const loses = async (share: number): Promise<boolean> => {
    runner.say(`the unguarded node with ${share / 10} % of the pages turning`);
    return ((await runner.run('unguarded', { share }))['integrity.lost_pages'] ?? 0) > 0;
  };
  let safe = 0;
  let lost = PER_MILLE + 1;
  if (await loses(PER_MILLE)) {
    lost = PER_MILLE;
    while (lost - safe > 5) {
      const middle = Math.round((safe + lost) / 2);
      if (await loses(middle)) lost = middle;
      else safe = middle;
    }
  }
  const around = [0.5, 1, 1.5, 2].map((factor) => Math.min(PER_MILLE, Math.round(lost * factor)));
  const shares = [...new Set([...around, PER_MILLE])];
  runner.say('everyone at that point and beyond');
  const cells = shares.flatMap((share) => GUARDS.map((guard) => ({ share, guard })));
  const stats = await Promise.all(cells.map(({ share, guard }) => runner.run(guard, { share })));
  const rows = cells.map(({ share, guard }, at) => rowOf(share, guard, stats[at] ?? {}));
  const sum = (name: string, guards: readonly string[]): number =>
    cells.reduce(
      (total, { guard }, at) => total + (guards.includes(guard) ? (stats[at]?.[name] ?? 0) : 0),
      0,
    );
  return {
    values: {
      'unguarded.share_safe': safe,
      'unguarded.share_lost': lost,
      'guarded.overflow_events': sum('device.overflow_events', GUARDED),
      'guarded.lost_pages': sum('integrity.lost_pages', GUARDED),
      stale_or_leaked: sum('integrity.stale_reads', GUARDS) + sum('integrity.leaked_pages', GUARDS),
    },
    tables: [
      {
        name: 'bear',
        title: `The unguarded node loses data from ${lost / 10} % of turning pages on`,
        columns: ['turning %', 'guard', 'lost', 'overflow', 'peak of C %', 'mean ns', 'swap out'],
        rows,
      },
    ],
  };
}

function rowOf(share: number, guard: string, stats: Stats): (string | number)[] {
  const of = (name: string): number => stats[name] ?? 0;
  const peak = of('device.physical_bytes.peak') / of('device.physical_bytes.capacity');
  return [
    share / 10,
    guard,
    of('integrity.lost_pages'),
    of('device.overflow_events'),
    Math.round(peak * PER_MILLE) / 10,
    Math.round(of('access.ns.mean') * 10) / 10,
    of('swap.out'),
  ];
}
