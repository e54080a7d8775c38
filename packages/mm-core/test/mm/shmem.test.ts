import { expect, test } from 'vitest';
import {
  anonymousVma,
  diskSwap,
  MADV_PAGEOUT,
  type Machine,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  zramSwap,
} from '../../src/index.js';
import { machineOf, moveInBackground } from '../machine-of.js';

const PAGES = 16;
const DEVICES = {
  zram: () => zramSwap({ pages: 128, codec: 'lz4' }),
  disk: () => diskSwap({ pages: 128 }),
};

/** A task that stored to all of its pages. */
function stored(machine: Machine, memory: 'private' | 'shared') {
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  const file = memory === 'shared' ? machine.files.create('shmem', 'f', PAGES * 4096) : null;
  if (file !== null) {
    const vma = anonymousVma(0, PAGES, VM_READ | VM_WRITE | VM_SHARED);
    task.mm.replace(0, PAGES, [{ ...vma, pgoff: 0, file }]);
  }
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  return { task, file };
}

/** Nanoseconds of a load from a page in swap. */
function loadNs(device: keyof typeof DEVICES, memory: 'private' | 'shared'): number {
  const machine = machineOf({ plugins: [DEVICES[device]()] });
  machine.pseudoFiles.write('/proc/sys/vm/page-cluster', '0');
  const { task } = stored(machine, memory);
  task.madvise(0, PAGES, MADV_PAGEOUT);
  const before = machine.clock.now;
  task.read(3);
  return machine.clock.now - before;
}

test.each(['zram', 'disk'] as const)('a load from %s costs the same of shared memory', (device) => {
  expect(loadNs(device, 'shared')).toBe(loadNs(device, 'private'));
});

test.each(['private', 'shared'] as const)(
  'a load from %s memory waits for the batch that moves its folio of the swap cache',
  (memory) => {
    const nodes = [
      { id: 0, pages: 1024, cpus: 1 },
      { id: 1, pages: 512 },
    ];
    const machine = machineOf({ nodes, plugins: [DEVICES.disk()] });
    const { task, file } = stored(machine, memory);
    const stored4 = task.read(4);
    task.madvise(0, PAGES, MADV_PAGEOUT);
    task.read(3);
    machine.folios.lruAddDrainAll();
    const slot = machine.ptes.find(task.mm.id, 4);
    const entry = file === null ? machine.ptes.value[slot]! : (file.swapped.get(4) ?? -1);
    const folio = machine.swap.folioOf(entry);
    expect([stored4, folio >= 0, machine.nodes.nidOf(folio)]).toEqual(['ok', true, 0]);
    moveInBackground(machine, folio);
    expect(machine.migrate.completionOf(folio)).toBeGreaterThan(machine.clock.now);
    expect([task.read(4), task.where([4])]).toEqual(['ok', [1]]);
    expect(machine.engine.shadow.counts).toMatchObject({ staleReads: 0, lostPages: 0 });
    machine.verify();
  },
);
