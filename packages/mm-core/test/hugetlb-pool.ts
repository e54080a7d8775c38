import { expect } from 'vitest';
import {
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  type Machine,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '../src/index.js';
import { machineOf } from './machine-of.js';

/** Bytes of a page of the pool. */
export const HUGE = 2 << 20;
/** Folder of a node, without its number. */
export const POOL = '/sys/devices/system/node/node';

/** Two nodes with an empty pool each. */
export function twoNodes(): Machine {
  return machineOf({
    nodes: [
      { id: 0, pages: 16384, cpus: 1 },
      { id: 1, pages: 16384 },
    ],
  });
}

/** Gives a node's pool so many pages. */
export function setPool(machine: Machine, nid: number, count: number): void {
  const file = `${POOL}${nid}/hugepages/hugepages-2048kB/nr_hugepages`;
  expect(machine.pseudoFiles.write(file, String(count))).toBe(0);
}

/** Pages, free ones and surplus of both nodes. */
export function poolCounts(machine: Machine): string {
  const read = (nid: number, name: string): string | number =>
    machine.pseudoFiles.read(`${POOL}${nid}/hugepages/hugepages-2048kB/${name}_hugepages`);
  return [0, 1]
    .map((nid) => ['nr', 'free', 'surplus'].map((name) => read(nid, name)).join('/'))
    .join(' ');
}

/** Maps so many pages of the pool. @returns address or -errno */
export function mapHuge(
  machine: Machine,
  task: Task,
  addr: number,
  pages: number,
  flags: number,
): number {
  return machine.sys.mmap.mmap(task.struct, {
    addr,
    length: pages * HUGE,
    prot: PROT_READ | PROT_WRITE,
    flags: flags | MAP_ANONYMOUS | MAP_HUGETLB,
  });
}
