import { expect, test } from 'vitest';
import { type ContigRange, ContigRangeToken, MADV_FREE } from '../../src/index.js';
import { machineOf, pfnOf } from '../machine-of.js';

const BLOCK = 512;

/** A machine with a page block full of a program's pages, and who takes such blocks. */
function residents() {
  const found: ContigRange[] = [];
  const machine = machineOf({
    nodes: [{ id: 0, pages: 4096, cpus: 1 }],
    plugins: [
      { name: 'user', probe: (services) => void found.push(services.get(ContigRangeToken)) },
    ],
  });
  const task = machine.createTask('t');
  task.mmap(0, 3 * BLOCK);
  for (let vpn = 0; vpn < 3 * BLOCK; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  const base = pfnOf(machine, task, BLOCK) & ~(BLOCK - 1);
  return { machine, task, contig: found[0]!, range: { base, pages: BLOCK } };
}

/** Sends everybody away, with something done before each batch. @returns ends of the batches */
function evacuateAll(
  { machine, contig, range }: ReturnType<typeof residents>,
  between: (from: number) => void,
): number[] {
  const ends: number[] = [];
  for (let from = range.base; from < range.base + range.pages; ) {
    between(from);
    machine.verify();
    from = contig.evacuate(range, from, 'migrate');
    ends.push(from - range.base);
  }
  return ends;
}

test('a block is emptied in batches of 32 pages and taken whole', () => {
  const made = residents();
  made.contig.begin(made.range);
  const ends = evacuateAll(made, () => undefined);
  expect(ends).toEqual(Array.from({ length: 16 }, (_, at) => 32 * (at + 1)));
  expect(made.contig.finish(made.range)).toHaveLength(BLOCK);
  made.machine.verify();
});

test('what is put back between two batches moves with the next', () => {
  const made = residents();
  const { machine, contig, range } = made;
  contig.begin(range);
  evacuateAll(made, (from) => {
    if (machine.folios.isolateLru(from)) machine.folios.putbackLru(from);
  });
  expect(contig.finish(range)).toHaveLength(BLOCK);
  machine.verify();
});

test('what is freed lazily between two batches moves with the next', () => {
  const made = residents();
  const { machine, task, contig, range } = made;
  const vpns = Array.from({ length: 3 * BLOCK }, (_, vpn) => vpn);
  contig.begin(range);
  evacuateAll(made, (from) => {
    const vpn = vpns.findIndex((at) => pfnOf(machine, task, at) === from + 1);
    task.madvise(vpn, 1, MADV_FREE);
  });
  expect(contig.finish(range)).toHaveLength(BLOCK);
  machine.verify();
});

test('a huge page moves whole', () => {
  const made = residents();
  const { machine, task, contig } = made;
  machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/enabled', 'always');
  task.mmap(8 * BLOCK, BLOCK);
  task.write(8 * BLOCK);
  machine.folios.lruAddDrainAll();
  const range = { base: pfnOf(machine, task, 8 * BLOCK), pages: BLOCK };
  expect(machine.table.nrPages(range.base)).toBe(BLOCK);
  contig.begin(range);
  evacuateAll({ ...made, range }, () => undefined);
  expect(contig.finish(range)).toHaveLength(BLOCK);
  expect(machine.table.nrPages(pfnOf(machine, task, 8 * BLOCK))).toBe(BLOCK);
  machine.verify();
});

test('a file page that somebody else holds ends the attempt, and the range is as it was', () => {
  const { machine, contig } = residents();
  const file = machine.files.create('regular', 'f', BLOCK * 4096);
  machine.filemap.write(file, 0, 0);
  machine.folios.lruAddDrainAll();
  const pfn = machine.pageCache.find(file, 0);
  const range = { base: pfn & ~(BLOCK - 1), pages: BLOCK };
  machine.folios.get(pfn);
  contig.begin(range);
  let from = range.base;
  while (from <= pfn) from = contig.evacuate(range, from, 'migrate');
  expect(from).toBe(range.base + BLOCK);
  expect(contig.finish(range)).toEqual([]);
  machine.folios.put(pfn);
  machine.verify();
});
