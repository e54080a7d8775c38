import { expect, test } from 'vitest';
import { __GFP_THISNODE, GFP_TRANSHUGE, type Machine, type Task } from '../../src/index.js';
import { counted, machineOf, pfnOf, wrongContents } from '../machine-of.js';

const PAGES = 4096;
const nodes = [
  { id: 0, pages: 4 * PAGES, cpus: 1 },
  { id: 1, pages: PAGES },
];

/** A machine whose node 1 is full of single pages of which every second is free again. */
function checkerboard(): { machine: Machine; task: Task; kept: number[] } {
  const machine = machineOf({ nodes });
  const task = machine.createTask('t');
  const all = Array.from({ length: 3600 }, (_, vpn) => vpn);
  task.mmap(0, all.length);
  for (const vpn of all) task.write(vpn);
  task.movePages(all, 1);
  const kept = all.filter((vpn) => vpn % 2 === 0);
  for (const vpn of all) if (vpn % 2 !== 0) task.munmap(vpn, 1);
  return { machine, task, kept };
}

test('compacting a node gathers its pages at one end and keeps what they hold', () => {
  const { machine, task, kept } = checkerboard();
  const zone = machine.nodes.pgdat(1).zones[0];
  const largest = (): number => zone?.freeBlocks.slice(9).reduce((sum, n) => sum + n, 0) ?? 0;
  const before = largest();
  machine.compaction.compactNode(1);
  machine.verify();
  for (const vpn of kept) task.read(vpn);
  expect({
    before,
    after: largest(),
    nodes: [...new Set(task.where(kept))],
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "after": 2,
      "before": 0,
      "nodes": [
        1,
      ],
      "wrong": 0,
    }
  `);
});

test('a pinned page stays where it is', () => {
  const { machine, task } = checkerboard();
  const pfn = task.pinLongterm(0);
  machine.compaction.compactMemory();
  machine.verify();
  expect(pfnOf(machine, task, 0)).toBe(pfn);
});

test('a request for a large folio has its zone compacted', () => {
  const { machine } = checkerboard();
  const gfp = GFP_TRANSHUGE | __GFP_THISNODE;
  const pfn = machine.pageAlloc.alloc({ gfp, order: 9, nid: 1, nodemask: null });
  expect({
    got: pfn >= 0 && pfn % 512 === 0 && machine.nodes.nidOf(pfn) === 1,
    ...counted(machine, 'compact_stall', 'compact_success', 'compact_fail'),
  }).toMatchInlineSnapshot(`
    {
      "compact_fail": 0,
      "compact_stall": 1,
      "compact_success": 1,
      "got": true,
    }
  `);
  machine.folios.put(pfn);
  machine.verify();
});
