/**
 * H9: CRAM drains the LRU batches of every CPU after each batch of demotions. From which batch size
 * on is that a tenth of the batch's time, as the machine grows?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { DemotionToken, type Task } from '@mm-lab/mm-core';
import { type CramLab, cramLab, DRAM, pageRange, rounded, writer } from './kit.ts';

const CPUS = [1, 8, 64, 256];
const BATCHES = [1, 8, 32, 128, 512, 2048];
/** What reclaim isolates at a time (SWAP_CLUSTER_MAX). */
const KERNEL_BATCH = 32;
const TENTH = 10;

/** Nanoseconds of demoting the first `pages` pages of a task in one batch. */
function batchNs({ machine, services }: CramLab, task: Task, pages: number): number {
  machine.work.runAs(task.struct);
  machine.folios.lruAddDrainAll();
  machine.spend();
  const list = pageRange(pages).map((vpn) => {
    const slot = machine.ptes.find(task.mm.id, vpn);
    const folio = machine.ptes.value[slot] ?? -1;
    if (!machine.folios.isolateLru(folio)) throw new Error(`page ${vpn} is on no list`);
    return folio;
  });
  const begin = machine.clock.now;
  machine.work.enterMemalloc();
  const moved = services.get(DemotionToken).demoteFolioList(list, DRAM);
  machine.work.leaveMemalloc();
  machine.spend();
  if (moved !== pages) throw new Error(`${moved} of ${pages} pages went to the node`);
  return machine.clock.now - begin;
}

function demotionNs(cpus: number, pages: number, drains: boolean): number {
  const overrides = drains ? {} : { lruDrainAll: 0, lruDrainPerCpu: 0 };
  const lab = cramLab({ cpus, dramPages: 4096, devicePages: 4096, cost: { overrides } });
  const task = writer(lab.machine, 'writer', pages);
  return batchNs(lab, task, pages);
}

/** Percent of a batch's time that the drain takes. */
function drainPercent(cpus: number, pages: number): number {
  const whole = demotionNs(cpus, pages, true);
  return (100 * (whole - demotionNs(cpus, pages, false))) / whole;
}

/** The smallest batch, found by halving, whose drain is a tenth of it; above the largest: that. */
function batchOfATenth(cpus: number): number {
  let [below, above] = [0, BATCHES.at(-1) ?? 1];
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (drainPercent(cpus, middle) > TENTH) below = middle;
    else above = middle;
  }
  return above;
}

function probe(): Figures {
  const rows = CPUS.map((cpus) => [
    cpus,
    ...BATCHES.map((pages) => rounded(drainPercent(cpus, pages), 1)),
    batchOfATenth(cpus),
  ]);
  const tenths = rows.map((row) => Number(row.at(-1)));
  const ofKernel = BATCHES.indexOf(KERNEL_BATCH) + 1;
  return {
    values: {
      'tenth.one_cpu': tenths[0] ?? 0,
      'tenth.most_cpus': tenths.at(-1) ?? 0,
      'kernel_batch.one_cpu.percent': Number(rows[0]?.[ofKernel]),
      'kernel_batch.most_cpus.percent': Number(rows.at(-1)?.[ofKernel]),
    },
    tables: [
      {
        name: 'share',
        title: 'Percent of a demotion batch that lru_add_drain_all takes',
        columns: [
          'CPUs',
          ...BATCHES.map((pages) => `${pages} pages`),
          'pages at which it is a tenth',
        ],
        rows,
        chart: {
          x: 'CPUs',
          y: ['pages at which it is a tenth'],
          xLog: true,
          yLog: true,
          yTitle: 'pages in a batch',
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'How large must a batch be for its drain to be cheap?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'On one CPU the drain is a tenth only of batches larger than those of reclaim.',
      holds: (results) => results.figure('tenth.one_cpu') > KERNEL_BATCH,
    },
    {
      text: 'The size at which it is a tenth grows with the CPUs, to more than 512 pages at 256.',
      holds: (results) => results.figure('tenth.most_cpus') > 512,
    },
    {
      text: 'Of a batch of 32 pages on 256 CPUs it is more than three quarters.',
      holds: (results) => results.figure('kernel_batch.most_cpus.percent') > 75,
    },
  ],
});
