/**
 * Row 18: how many faults does one store to a page on the node take, and what is moved for it?
 * (private-nodes.md, Reading 3.4)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  MADV_HUGEPAGE,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
} from '@mm-lab/mm-core';
import { agreesWithKernel, nodeOf } from '../node/kit.ts';
import { type CramLab, cramLab, DEVICE, DRAM, demote, during, pageRange } from './kit.ts';

const HUGE_PAGES = 512;
/** A program stores one machine word. */
const WORD_BYTES = 8;

interface Kind {
  readonly name: string;
  /** Maps and writes pages from page 0 on. @returns how many */
  readonly make: (lab: CramLab, task: Task) => number;
  /** Faults of a store on the recorded kernel, of `cram-one-fault` and `cram-file-write`. */
  readonly kernel: number | '–';
}

const KINDS: readonly Kind[] = [
  {
    name: 'anonymous, 4 KiB',
    kernel: 2,
    make: (_lab, task) => {
      task.mmap(0, 4);
      return 4;
    },
  },
  {
    name: 'anonymous, 2 MiB',
    kernel: 2,
    make: ({ machine }, task) => {
      machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/enabled', 'always');
      task.mmap(0, HUGE_PAGES);
      task.madvise(0, HUGE_PAGES, MADV_HUGEPAGE);
      return HUGE_PAGES;
    },
  },
  {
    name: 'shared memory, 4 KiB',
    kernel: 1,
    make: ({ machine }, task) => {
      const file = machine.files.create('shmem', 'shared', 4 * 4096);
      const flags = PROT_READ | PROT_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_SHARED;
      machine.mmap.mmap(task.mm, 0, 4, flags, { file, pgoff: 0 });
      return 4;
    },
  },
];

function store({ name, make, kernel }: Kind): readonly (string | number)[] {
  const lab = cramLab({ dramPages: 4096 });
  const task = lab.machine.createTask(name);
  const pages = make(lab, task);
  for (const vpn of pageRange(pages)) task.write(vpn);
  const moved = demote(lab, task, pageRange(pages));
  if (moved !== pages) throw new Error(`${moved} of ${pages} pages went to the node`);
  const faultsBefore = task.struct.minFlt;
  task.write(0);
  const again = during(lab, () => task.write(0));
  lab.machine.verify();
  const back = pageRange(pages).filter((vpn) => nodeOf(lab.machine, task, vpn) === DRAM).length;
  if (nodeOf(lab.machine, task, 0) === DEVICE) throw new Error('the store did not promote');
  return [
    name,
    task.struct.minFlt - faultsBefore,
    kernel,
    back,
    (back * 4096) / WORD_BYTES,
    (again['fault.minor'] ?? 0) + (again['fault.major'] ?? 0),
  ];
}

function probe(): Figures {
  const rows = KINDS.map(store);
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'anonymous.faults': of(0, 1),
      'huge.faults': of(1, 1),
      'shared.faults': of(2, 1),
      'huge.bytes_moved_per_byte': of(1, 4),
      second_store_faults: rows.reduce((sum, row) => sum + Number(row[5]), 0),
    },
    tables: [
      {
        name: 'faults',
        title: 'One store of 8 bytes to a page that was demoted',
        chart: {
          kind: 'bars',
          x: ['page'],
          y: ['model', 'kernel', 'bytes moved per byte'],
          log: true,
        },
        columns: [
          'page',
          'model',
          'kernel',
          'pages moved',
          'bytes moved per byte',
          'faults of the next store',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'How many faults does a store to a page on the node take?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'An anonymous page takes two faults, whatever its size: promotion, then write protect.',
      holds: (results) =>
        results.figure('anonymous.faults') === 2 && results.figure('huge.faults') === 2,
    },
    {
      text: 'A page of shared memory takes one.',
      holds: (results) => results.figure('shared.faults') === 1,
    },
    {
      text: 'For one store a folio of 2 MiB moves whole.',
      holds: (results) => results.figure('huge.bytes_moved_per_byte') === 2 ** 21 / WORD_BYTES,
    },
    {
      text: 'The next store takes none.',
      holds: (results) => results.figure('second_store_faults') === 0,
    },
    {
      text: 'Where the kernel was asked, it took as many.',
      holds: (results) => agreesWithKernel(results, 'faults'),
    },
  ],
});
