import type { AddressSpace } from '@mm-lab/mm-core';
import type { CaseWorld } from './case-world.js';

/** write(2) of a word to a page of a file; the word is what the world's next store writes. */
export function writePage(world: CaseWorld, file: AddressSpace, index: number): number {
  const { filemap } = world.machine;
  return filemap.write(file, index, world.task('P').task.nid);
}

/** The first byte of a page through read(2). */
export function fileByte(world: CaseWorld, file: AddressSpace, index: number): number {
  const { machine, words } = world;
  const version = machine.filemap.read(file, index, world.task('P').task.nid);
  if (version < 0) return version;
  const pfn = machine.pageCache.find(file, index);
  return pfn < 0 ? 0 : words.wordOf(machine.table.key[pfn] ?? 0) & 0xff;
}
