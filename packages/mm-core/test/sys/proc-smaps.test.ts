import { expect, test } from 'vitest';
import { machineOf } from '../machine-of.js';

test('the part of one of three in a page is rounded down: three parts are less than it', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 3);
  for (let vpn = 0; vpn < 3; vpn++) task.write(vpn);
  for (const name of ['a', 'b']) expect(task.fork(name)).not.toBeTypeOf('number');
  const [area] = task.mm.vmas;
  const pss = area === undefined ? -1 : machine.proc.smaps.gather(task.mm, area).pss;
  expect(pss * 2 ** 24).toBe(2 ** 24 - 1);
});
