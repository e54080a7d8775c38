/**
 * Row 19: on hardware that does not set the accessed bit itself, a read of an old entry faults to
 * set it. The hook sits before the test for a store, so does a read promote then?
 * (private-nodes.md, Reading 1.15)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PTE_ACCESSED, PTE_PRESENT, type Task } from '@mm-lab/mm-core';
import { type CramLab, cramLab, DEVICE, demote, pageRange, pagesOn, writer } from './kit.ts';

const PAGES = 256;
const ROUNDS = 4;
const VPNS = pageRange(PAGES);

type Hardware = 'sets the accessed bit' | 'faults to set it';

/**
 * Reads a page. Where the hardware faults for the accessed bit, a load through an entry without it
 * is a fault on a present entry, which is what arm64 without FEAT_HAFDBS takes.
 */
function read(lab: CramLab, task: Task, vpn: number, hardware: Hardware): void {
  const { machine } = lab;
  const slot = machine.ptes.find(task.mm.id, vpn);
  const bits = slot < 0 ? 0 : (machine.ptes.bits[slot] ?? 0);
  const isOld = (bits & PTE_PRESENT) !== 0 && (bits & PTE_ACCESSED) === 0;
  if (hardware === 'faults to set it' && isOld) {
    machine.work.runAs(task.struct);
    machine.memory.handleMmFault(task.mm, vpn, false, task.nid);
    machine.spend();
  }
  task.read(vpn);
}

/** Makes every entry old, as the aging of the LRU does. */
function age(lab: CramLab, task: Task): void {
  for (const vpn of VPNS) {
    const slot = lab.machine.ptes.find(task.mm.id, vpn);
    if (slot >= 0) lab.machine.ptes.bits[slot] = (lab.machine.ptes.bits[slot] ?? 0) & ~PTE_ACCESSED;
  }
}

function readOnly(
  hardware: Hardware,
  readFaults: 'v4' | 'mended' = 'v4',
): readonly (string | number)[] {
  const lab = cramLab({ cram: { readFaults } });
  const task = writer(lab.machine, 'reader', PAGES);
  demote(lab, task, VPNS);
  const there = pagesOn(lab, task, VPNS, DEVICE);
  const begin = lab.machine.clock.now;
  for (let round = 0; round < ROUNDS; round++) {
    age(lab, task);
    for (const vpn of VPNS) read(lab, task, vpn, hardware);
  }
  lab.machine.verify();
  const left = pagesOn(lab, task, VPNS, DEVICE);
  const ns = (lab.machine.clock.now - begin) / (ROUNDS * PAGES);
  const name = readFaults === 'v4' ? hardware : `${hardware}, mended`;
  return [name, there, lab.machine.stats()['cram.promotions'] ?? 0, left, Math.round(ns)];
}

function probe(): Figures {
  const rows = [
    readOnly('sets the accessed bit'),
    readOnly('faults to set it'),
    readOnly('faults to set it', 'mended'),
  ];
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'hardware.promotions': of(0, 2),
      'software.promotions': of(1, 2),
      'software.pages_left': of(1, 3),
      'mended.promotions': of(2, 2),
      'mended.pages_left': of(2, 3),
    },
    tables: [
      {
        name: 'reads',
        title: `${PAGES} demoted pages that are only read, ${ROUNDS} times, aged before each`,
        chart: {
          kind: 'bars',
          x: ['hardware'],
          y: ['promoted by reads', 'left there'],
          title: 'pages',
        },
        columns: ['hardware', 'demoted', 'promoted by reads', 'left there', 'ns per read'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Does a read that faults for the accessed bit promote the page?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Where hardware sets the accessed bit, no read ever promotes.',
      holds: (results) => results.figure('hardware.promotions') === 0,
    },
    {
      text: 'Where a read faults for it, the first read promotes every page: nothing stays.',
      holds: (results) =>
        results.figure('software.promotions') === PAGES &&
        results.figure('software.pages_left') === 0,
    },
    {
      text: 'With `readFaults` mended none does, and every page stays.',
      holds: (results) =>
        results.figure('mended.promotions') === 0 && results.figure('mended.pages_left') === PAGES,
    },
  ],
});
