import { expect, test } from 'vitest';
import type { Machine } from '../../src/index.js';
import { counted, machineOf } from '../machine-of.js';

const PAGES = 4096;
const nodes = [
  { id: 0, pages: 4 * PAGES, cpus: 1 },
  { id: 1, pages: PAGES },
];
const COUNTERS = ['compact_daemon_wake', 'compact_daemon_migrate_scanned'] as const;

/** Node 1 full of single pages of which every second is free again. */
function checkerboard(): Machine {
  const machine = machineOf({ nodes });
  const task = machine.createTask('t');
  task.mmap(0, 3600);
  for (let vpn = 0; vpn < 3600; vpn++) task.write(vpn);
  task.movePages(
    Array.from({ length: 3600 }, (_, vpn) => vpn),
    1,
  );
  for (let vpn = 1; vpn < 3600; vpn += 2) task.munmap(vpn, 1);
  return machine;
}

function hugeBlocks(machine: Machine): number {
  const [zone] = machine.nodes.pgdat(1).zones;
  return [...(zone?.freeBlocks.slice(9) ?? [])].reduce((sum, blocks) => sum + blocks, 0);
}

test('kcompactd makes a block of the order it was woken for', () => {
  const machine = checkerboard();
  const before = hugeBlocks(machine);
  machine.nodes.pgdat(1).wakeKcompactd?.(9, 3);
  machine.sleep(1_000_000);
  machine.verify();
  const after = hugeBlocks(machine);
  expect({ before, after, ...counted(machine, ...COUNTERS) }).toMatchInlineSnapshot(`
    {
      "after": 1,
      "before": 0,
      "compact_daemon_migrate_scanned": 2048,
      "compact_daemon_wake": 1,
    }
  `);
});

test('a node with a block to give does not wake it', () => {
  const machine = machineOf({ nodes });
  machine.nodes.pgdat(1).wakeKcompactd?.(9, 3);
  machine.sleep(1_000_000);
  expect(machine.counters.read('compact_daemon_wake')).toBe(0);
});

test('an eager one compacts a fragmented node by itself, and one told not to be does not', () => {
  const machine = checkerboard();
  machine.sleep(2_000_000_000);
  const asleep = hugeBlocks(machine);
  machine.pseudoFiles.write('/proc/sys/vm/compaction_proactiveness', '80');
  machine.sleep(2_000_000_000);
  machine.verify();
  expect({ asleep, woken: hugeBlocks(machine) > asleep }).toEqual({ asleep, woken: true });
  expect(machine.counters.read('compact_daemon_wake')).toBe(0);
});
