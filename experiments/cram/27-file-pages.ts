/**
 * Row 27: pages of files escape write control. Buffered writes go through the kernel's own mapping,
 * which no page-table protection covers (Price, after LSF/MM).
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  type AddressSpace,
  type FileKind,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '@mm-lab/mm-core';
import {
  bytes,
  type CramLab,
  type CramLabOptions,
  cramLab,
  DEVICE,
  demote,
  MENDED_FOR_CRAM,
  pageRange,
  pagesOn,
  rounded,
  sizedPages,
} from './kit.ts';
import { causeWatcher } from './store-causes.ts';

const PAGES = 64;
const VPNS = pageRange(PAGES);

interface Way {
  readonly name: string;
  readonly file: FileKind | null;
  readonly store: 'through the mapping' | 'write(2)';
}

const WAYS: readonly Way[] = [
  { name: 'anonymous, store', file: null, store: 'through the mapping' },
  { name: 'shared memory, store', file: 'shmem', store: 'through the mapping' },
  { name: 'shared memory, write(2)', file: 'shmem', store: 'write(2)' },
  { name: 'file on disk, store', file: 'regular', store: 'through the mapping' },
  { name: 'file on disk, write(2)', file: 'regular', store: 'write(2)' },
];

function mapFile({ machine }: CramLab, task: Task, kind: FileKind): AddressSpace {
  const file = machine.files.create(kind, 'file', bytes(PAGES));
  const flags = vmFlags(PROT_READ | PROT_WRITE) | VM_MAYREAD | VM_MAYWRITE | VM_SHARED;
  machine.mmap.mmap(task.mm, 0, PAGES, flags, { file, pgoff: 0 });
  return file;
}

/** Files refused at the door, as the author concluded; or promoted before a byte changes. */
const REFUSED: CramLabOptions = { cram: { fileEntry: 'mended' } };
const PROMOTED: CramLabOptions = { nodePrivate: { ...MENDED_FOR_CRAM, bufferedWrites: 'mended' } };

function storeAgain(lab: CramLab, task: Task, file: AddressSpace | null, way: Way): void {
  const { machine } = lab;
  for (const vpn of VPNS) {
    if (file === null || way.store === 'through the mapping') task.write(vpn);
    else machine.filemap.write(file, vpn, task.nid);
  }
  machine.spend();
}

/** Pages that shrink to a quarter go to the node and are then stored to; they shrink no more. */
function run(way: Way, options: CramLabOptions): readonly number[] {
  const watcher = causeWatcher();
  let sizeBytes = bytes(1) / 4;
  const lab = cramLab({
    contents: sizedPages(() => sizeBytes),
    plugins: [watcher.plugin],
    ...options,
  });
  const task = lab.machine.createTask('writer');
  const file = way.file === null ? null : mapFile(lab, task, way.file);
  if (file === null) task.mmap(0, PAGES);
  for (const vpn of VPNS) task.write(vpn);
  const entered = demote(lab, task, VPNS);
  sizeBytes = bytes(1);
  const hooked = lab.machine.managed.hookCalls().get('handle_fault') ?? 0;
  const usedBefore = lab.device.usedBytes();
  storeAgain(lab, task, file, way);
  lab.machine.verify();
  const seen = (lab.machine.managed.hookCalls().get('handle_fault') ?? 0) - hooked;
  const unseen = watcher.causes.counts.get('kernel write')?.changes ?? 0;
  const left = pagesOn(lab, task, VPNS, DEVICE);
  return [entered, seen, unseen, lab.device.usedBytes() / usedBefore || 0, left];
}

function probe(): Figures {
  const rows = WAYS.map((way) => {
    const [entered = 0, seen = 0, unseen = 0, grown = 0] = run(way, {});
    const [refusedIn = 0, , refusedUnseen = 0] = run(way, REFUSED);
    const [promotedIn = 0, , promotedUnseen = 0, , left = 0] = run(way, PROMOTED);
    return [
      ...[way.name, entered, seen, unseen, rounded(grown, 2)],
      ...[refusedIn, refusedUnseen, promotedIn, promotedUnseen, left],
    ];
  });
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'anonymous.unseen': of(0, 3),
      'shared_memory.write.unseen': of(2, 3),
      'shared_memory.write.growth': of(2, 4),
      'file.write.unseen': of(4, 3),
      'refused.unseen': rows.reduce((sum, row) => sum + Number(row[6]), 0),
      'refused.anonymous_in': of(0, 5),
      'refused.files_in': rows.slice(1).reduce((sum, row) => sum + Number(row[5]), 0),
      'promoted.least_in': Math.min(...rows.map((row) => Number(row[7]))),
      'promoted.unseen': rows.reduce((sum, row) => sum + Number(row[8]), 0),
      'promoted.left_there': rows.reduce((sum, row) => sum + Number(row[9]), 0),
    },
    tables: [
      {
        name: 'ways',
        title: `${PAGES} pages on the node are stored to once`,
        chart: {
          kind: 'bars',
          x: ['way'],
          y: ['changed in place unseen', 'unseen', 'unseen then'],
          title: 'pages',
        },
        columns: [
          'way',
          'entered',
          'seen by handle_fault',
          'changed in place unseen',
          'usage afterwards ×',
          'entered, files refused',
          'unseen',
          'entered, write(2) promotes',
          'unseen then',
          'still there',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Which stores to pages of files does the service never see?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'write(2) to shared memory or to a file changes every page in place, unseen.',
      holds: (results) =>
        results.figure('shared_memory.write.unseen') === PAGES &&
        results.figure('file.write.unseen') === PAGES,
    },
    {
      text: 'So the device grows fourfold though nothing faulted.',
      holds: (results) => results.figure('shared_memory.write.growth') === 4,
    },
    {
      text: 'Stores to anonymous pages never do that.',
      holds: (results) => results.figure('anonymous.unseen') === 0,
    },
    {
      text: 'With files refused at the door nothing is unseen, and anonymous pages still come in.',
      holds: (results) =>
        results.figure('refused.unseen') === 0 &&
        results.figure('refused.files_in') === 0 &&
        results.figure('refused.anonymous_in') === PAGES,
    },
    {
      text: 'Where write(2) promotes first, files come in too, and nothing is unseen.',
      holds: (results) =>
        results.figure('promoted.unseen') === 0 &&
        results.figure('promoted.least_in') === PAGES &&
        results.figure('promoted.left_there') === 0,
    },
  ],
});
