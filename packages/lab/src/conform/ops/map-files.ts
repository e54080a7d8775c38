import { EINVAL, ENOENT } from '@mm-lab/mm-core';
import type { Guest, GuestTask } from '../guest.js';
import { vpnOf } from './frames.js';

const MAP_FILE = /^\/proc\/self\/map_files\/([0-9a-f]+)-([0-9a-f]+)$/;

/** Is it the file behind an area of the task that opens it? */
export function isMapFile(path: string): boolean {
  return MAP_FILE.test(path);
}

/**
 * write(2) of text to the start of the file that an area maps: not through the mapping. Only the
 * word at the start of a page is kept, so at least a word has to be written.
 * @returns 0 or -errno
 */
export function writeMapFile(guest: Guest, task: GuestTask, path: string, text: string): number {
  const [, from = '', to = ''] = MAP_FILE.exec(path) ?? [];
  const start = vpnOf(Number.parseInt(from, 16));
  const vma = task.task.mm.find(start);
  if (vma?.start !== start || vma.end !== vpnOf(Number.parseInt(to, 16))) return -ENOENT;
  const { file } = vma;
  if (file === null) return -ENOENT;
  const bytes = new TextEncoder().encode(text);
  if (bytes.length < 8) return -EINVAL;
  guest.words.word = Number(new DataView(bytes.buffer).getBigInt64(0, true));
  const version = guest.call(task, ({ nid }) => guest.machine.filemap.write(file, 0, nid));
  return Math.min(0, version);
}
