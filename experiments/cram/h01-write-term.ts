/**
 * H1: with the write fence nothing that a program does makes the device fuller: every increase of
 * its usage is caused by a demotion, an in-flight copy or a kernel write. Shown on each candidate
 * for a hole by itself, and on generated programs.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { MADV_DONTNEED, MADV_PAGEOUT, PROT_READ, PROT_WRITE, type Task } from '@mm-lab/mm-core';
import type { NodePrivateOptions } from '@mm-lab/node-private';
import { runFenceProgram } from './fence-program.ts';
import { ANON, FenceWorld, FILE, HUGE, SHARED } from './fence-world.ts';
import { DEVICE, MENDED_FOR_CRAM, pageRange } from './kit.ts';
import { CAUSES, type Cause } from './store-causes.ts';

const RW = PROT_READ | PROT_WRITE;
const SEEDS = 16;
const STEPS = 120;
/** Every so many generated worlds has a huge page. */
const HUGE_EVERY = 8;

interface Candidate {
  readonly name: string;
  readonly huge?: boolean;
  /** Gets pages onto the node and then stores to them in a way that may escape the fence. */
  readonly run: (world: FenceWorld, task: Task) => void;
}

function storeAll(world: FenceWorld, task: Task, [from, pages]: readonly [number, number]): void {
  for (const vpn of pageRange(pages, from)) world.store(task, vpn);
}

const CANDIDATES: readonly Candidate[] = [
  {
    name: 'store',
    run: (world, task) => {
      world.demote(task, ANON);
      storeAll(world, task, ANON);
    },
  },
  {
    name: 'move_pages in, store',
    run: (world, task) => {
      task.movePages(pageRange(ANON[1], ANON[0]), DEVICE);
      storeAll(world, task, ANON);
    },
  },
  {
    name: 'mprotect to read-only and back',
    run: (world, task) => {
      world.demote(task, ANON);
      task.mprotect(...ANON, PROT_READ);
      task.mprotect(...ANON, RW);
      storeAll(world, task, ANON);
    },
  },
  {
    name: 'fork, the parent exits, the child reuses',
    run: (world, task) => {
      world.demote(task, ANON);
      const child = world.fork(task);
      world.exit(task);
      if (child !== null) storeAll(world, child, ANON);
    },
  },
  {
    name: 'pin for writing, DMA',
    run: (world, task) => {
      world.demote(task, ANON);
      for (const vpn of pageRange(ANON[1], ANON[0])) world.pinAndWrite(task, vpn);
    },
  },
  {
    name: 'part of a huge page dropped, the rest stored to',
    huge: true,
    run: (world, task) => {
      world.demote(task, HUGE);
      task.madvise(HUGE[0], 16, MADV_DONTNEED);
      task.mprotect(HUGE[0] + 64, 64, PROT_READ);
      task.mprotect(HUGE[0] + 64, 64, RW);
      storeAll(world, task, [HUGE[0] + 64, 64]);
    },
  },
  {
    name: 'swapped out of the node, swapped in',
    run: (world, task) => {
      world.demote(task, ANON);
      world.pressure();
      task.madvise(...ANON, MADV_PAGEOUT);
      storeAll(world, task, ANON);
    },
  },
  {
    name: 'demoted while in the swap cache, swapped in by the child',
    run: (world, task) => {
      const child = world.demoteFromSwapCache(task, ANON);
      if (child !== null) storeAll(world, child, ANON);
    },
  },
  {
    name: 'shared memory, store through the mapping that wrote it',
    run: (world, task) => {
      world.demote(task, SHARED);
      storeAll(world, task, SHARED);
    },
  },
  {
    name: 'shared memory, store through a fresh mapping',
    run: (world, task) => {
      world.demote(task, SHARED);
      task.munmap(...SHARED);
      world.mapShared(task);
      storeAll(world, task, SHARED);
    },
  },
  {
    name: 'shared memory, mprotect to read-only and back',
    run: (world, task) => {
      world.demote(task, SHARED);
      task.mprotect(...SHARED, PROT_READ);
      task.mprotect(...SHARED, RW);
      storeAll(world, task, SHARED);
    },
  },
  {
    name: 'a file, store through the mapping that wrote it',
    run: (world, task) => {
      world.demote(task, FILE);
      storeAll(world, task, FILE);
    },
  },
  {
    name: 'a file, write(2)',
    run: (world, task) => {
      world.demote(task, FILE);
      for (const index of pageRange(FILE[1])) world.writeFile(task, index, world.regular);
    },
  },
  {
    name: 'shared memory, write(2)',
    run: (world, task) => {
      world.demote(task, SHARED);
      for (const index of pageRange(SHARED[1])) world.writeFile(task, index);
    },
  },
];

/** What changed pages of the device in place, not by bringing a page in. */
function inPlace(candidate: Candidate, nodePrivate: NodePrivateOptions) {
  const world = new FenceWorld({ nodePrivate, huge: candidate.huge ?? false });
  const [task] = world.tasks;
  if (task === undefined) throw new Error('a world begins with a program');
  candidate.run(world, task);
  world.lab.machine.verify();
  const of = (cause: Cause): number => world.causes.counts.get(cause)?.changes ?? 0;
  return { program: of('store of a program'), kernel: of('kernel write') + of('DMA') };
}

function candidateRow(candidate: Candidate): readonly (string | number)[] {
  const v4 = inPlace(candidate, {});
  const mended = inPlace(candidate, MENDED_FOR_CRAM);
  return [candidate.name, v4.program, mended.program, v4.kernel];
}

interface Generated {
  readonly changes: Map<Cause, number>;
  readonly bytes: Map<Cause, number>;
  readonly lost: number;
}

function generated(nodePrivate: NodePrivateOptions): Generated {
  const changes = new Map<Cause, number>();
  const bytes = new Map<Cause, number>();
  let lost = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const huge = seed % HUGE_EVERY === 0;
    const { causes, lab } = runFenceProgram({ nodePrivate, huge }, seed, STEPS);
    for (const [cause, count] of causes.counts) {
      changes.set(cause, (changes.get(cause) ?? 0) + count.increases);
      bytes.set(cause, (bytes.get(cause) ?? 0) + count.bytes);
    }
    const stats = lab.machine.stats();
    lost += (stats['integrity.lost_pages'] ?? 0) + (stats['integrity.stale_reads'] ?? 0);
    lost += stats['integrity.leaked_pages'] ?? 0;
  }
  return { changes, bytes, lost };
}

function probe(): Figures {
  const candidates = CANDIDATES.map(candidateRow);
  const [v4, mended] = [generated({}), generated(MENDED_FOR_CRAM)];
  const rows = CAUSES.map((cause) => [
    cause,
    v4.changes.get(cause) ?? 0,
    v4.bytes.get(cause) ?? 0,
    mended.changes.get(cause) ?? 0,
    mended.bytes.get(cause) ?? 0,
  ]);
  const holes = candidates.filter((row) => Number(row[1]) > 0).length;
  return {
    values: {
      'v4.candidates_with_a_hole': holes,
      'mended.candidates_with_a_hole': candidates.filter((row) => Number(row[2]) > 0).length,
      'v4.increases_by_programs': Number(rows[0]?.[1]),
      'mended.increases_by_programs': Number(rows[0]?.[3]),
      'mended.increases_by_demotion': mended.changes.get('demotion') ?? 0,
      kernel_writes_in_place: candidates.reduce((sum, row) => sum + Number(row[3]), 0),
      lost_stale_or_leaked: v4.lost + mended.lost,
    },
    tables: [
      {
        name: 'candidates',
        title: 'Pages of the device changed in place',
        chart: {
          kind: 'bars',
          x: ['way'],
          y: ['by programs, v4', 'by programs, mended', 'by the kernel'],
          title: 'pages',
        },
        columns: ['way', 'by programs, v4', 'by programs, mended', 'by the kernel'],
        rows: candidates,
      },
      {
        name: 'generated',
        title: `Increases of usage in ${SEEDS} generated programs of ${STEPS} steps`,
        chart: { kind: 'bars', x: ['cause'], y: ['v4', 'mended'], title: 'increases' },
        columns: ['cause', 'v4', 'v4, bytes', 'mended', 'mended, bytes'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'With the write fence, does anything that a program does make the device fuller?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'As posted it does: by swap-ins from the swap cache, and by shared memory in two ways.',
      holds: (results) =>
        results.figure('v4.candidates_with_a_hole') === 3 &&
        results.figure('v4.increases_by_programs') > 0,
    },
    {
      text: 'Mended it never does, in any candidate or generated program.',
      holds: (results) =>
        results.figure('mended.candidates_with_a_hole') === 0 &&
        results.figure('mended.increases_by_programs') === 0,
    },
    {
      text: 'What is left is demotion, other migration, and write(2) to shared memory.',
      holds: (results) => {
        const causes = results.column('generated', 'cause');
        const increases = results.column('generated', 'mended');
        const left = causes.filter((_, at) => Number(increases[at]) > 0);
        return left.join() === 'kernel write,demotion,other migration';
      },
    },
    {
      text: 'Nothing is lost, stale or leaked, and the machine recounts itself after every step.',
      holds: (results) => results.figure('lost_stale_or_leaked') === 0,
    },
  ],
});
