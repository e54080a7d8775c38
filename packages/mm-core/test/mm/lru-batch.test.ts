import { expect, test } from 'vitest';
import { PG_batched } from '../../src/abi/page-flags.js';
import { machineOf } from '../machine-of.js';

test('unmapping leaves the LRU batch as it is, as Linux 6.18 and 7.3 do', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 10);
  for (let vpn = 0; vpn < 10; vpn++) task.write(vpn);
  task.mmap(100, 1);
  task.write(100);
  const pfn = machine.ptes.value[machine.ptes.slot(task.mm.id, 100)] ?? -1;
  const isBatched = (): boolean => machine.table.has(pfn, PG_batched);
  task.munmap(0, 10);
  const afterUnmap = isBatched();
  machine.folios.lruAddDrain();
  expect([afterUnmap, isBatched()]).toEqual([true, false]);
  machine.verify();
});
