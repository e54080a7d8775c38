import { expect, test } from 'vitest';
import {
  anonymousVma,
  diskSwap,
  MADV_PAGEOUT,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  zramSwap,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const PAGES = 16;
const DEVICES = {
  zram: () => zramSwap({ pages: 128, codec: 'lz4' }),
  disk: () => diskSwap({ pages: 128 }),
};

/** Nanoseconds of a load from a page in swap. */
function loadNs(device: keyof typeof DEVICES, memory: 'private' | 'shared'): number {
  const machine = machineOf({ plugins: [DEVICES[device]()] });
  machine.pseudoFiles.write('/proc/sys/vm/page-cluster', '0');
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  if (memory === 'shared') {
    const file = machine.files.create('shmem', 'f', PAGES * 4096);
    const vma = anonymousVma(0, PAGES, VM_READ | VM_WRITE | VM_SHARED);
    task.mm.replace(0, PAGES, [{ ...vma, pgoff: 0, file }]);
  }
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  task.madvise(0, PAGES, MADV_PAGEOUT);
  const before = machine.clock.now;
  task.read(3);
  return machine.clock.now - before;
}

test.each(['zram', 'disk'] as const)('a load from %s costs the same of shared memory', (device) => {
  expect(loadNs(device, 'shared')).toBe(loadNs(device, 'private'));
});
