import { describe, expect, test } from 'vitest';
import {
  type AddressSpace,
  FileRaState,
  type Machine,
  PG_active,
  PG_referenced,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

interface OnDisk {
  readonly machine: Machine;
  readonly file: AddressSpace;
}

/** A file on disk of which nothing is cached. */
function onDisk(sizeBytes: number): OnDisk {
  const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
  const file = machine.files.create('regular', 'f', sizeBytes);
  for (let index = 0; index < file.sizePages; index++) machine.filemap.write(file, index, 0);
  machine.filemap.sync(file);
  machine.truncate.dropClean();
  return { machine, file };
}

/** Pages that became active by reads of one page each; `null` opens the file anew. */
function activeAfter({ machine, file }: OnDisk, indices: readonly (number | null)[]): number[] {
  let ra = new FileRaState(file.bdi);
  for (const index of indices) {
    if (index === null) ra = new FileRaState(file.bdi);
    else machine.filemap.read(file, index, 0, { ra });
  }
  machine.folios.lruAddDrainAll();
  machine.verify();
  return [...file.pages]
    .filter(([, pfn]) => machine.table.has(pfn, PG_active))
    .map(([index]) => index);
}

describe('a page that read(2) comes to again', () => {
  test('right after itself is one use (pos_same_folio), whatever the size of the file', () => {
    expect(activeAfter(onDisk(8 * 4096), [2, 2, 2])).toEqual([]);
    expect(activeAfter(onDisk(7 * 4096 + 100), [7, 7, 7])).toEqual([]);
  });

  test('after another page, or by who opens the file again, is used twice', () => {
    expect(activeAfter(onDisk(8 * 4096), [2, 3, 2])).toEqual([2]);
    expect(activeAfter(onDisk(8 * 4096), [2, null, 2])).toEqual([2]);
  });

  test('after a try behind the end is still the last one read', () => {
    expect(activeAfter(onDisk(8 * 4096), [7, 8, 7])).toEqual([]);
  });
});

test('a read behind the end breaks no sequence: the next page begins a window', () => {
  const { machine, file } = onDisk(100 * 4096);
  const ra = new FileRaState(file.bdi);
  machine.filemap.read(file, 50, 0, { ra });
  machine.filemap.read(file, 100, 0, { ra });
  machine.filemap.read(file, 51, 0, { ra });
  expect([ra.start, ra.size]).toEqual([51, 4]);
});

/** Pages of shared memory and their flags after writes of one page each. */
function markedBy(kind: 'shmem' | 'regular', indices: readonly number[]): object {
  const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
  machine.pseudoFiles.write('/sys/kernel/mm/lru_gen/enabled', 'n');
  const file = machine.files.create(kind, 'f', 8 * 4096);
  for (const index of indices) machine.filemap.write(file, index, 0);
  machine.folios.lruAddDrainAll();
  machine.verify();
  const withFlag = (flag: number): number[] =>
    [...file.pages].filter(([, pfn]) => machine.table.has(pfn, flag)).map(([index]) => index);
  return { referenced: withFlag(PG_referenced), active: withFlag(PG_active) };
}

test('write(2) marks a page of shared memory, made or there already; one of a file never', () => {
  const indices = [0, 1, 1, 2, 2, 2];
  expect({ shmem: markedBy('shmem', indices), regular: markedBy('regular', indices) }).toEqual({
    shmem: { referenced: [0, 2], active: [1, 2] },
    regular: { referenced: [], active: [] },
  });
});

test('read(2) of shared memory marks a large folio by its first page only', () => {
  const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
  machine.pseudoFiles.write('/sys/kernel/mm/lru_gen/enabled', 'n');
  machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'force');
  const file = machine.files.create('shmem', 'f', 1024 * 4096);
  machine.filemap.write(file, 0, 0);
  machine.folios.lruAddDrainAll();
  const folio = machine.pageCache.find(file, 0);
  const states = [3, 3, 0, 3, 0].map((index) => {
    machine.filemap.read(file, index, 0);
    machine.folios.lruAddDrainAll();
    machine.verify();
    const { table } = machine;
    return [folio, folio + 3].map((pfn) =>
      table.has(pfn, PG_active) ? 'active' : table.has(pfn, PG_referenced) ? 'referenced' : '-',
    );
  });
  expect(machine.table.nrPages(folio)).toBe(512);
  expect(states).toEqual([
    ['referenced', '-'],
    ['referenced', '-'],
    ['active', '-'],
    ['active', '-'],
    ['active', '-'],
  ]);
});
