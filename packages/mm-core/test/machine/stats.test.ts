import { expect, test } from 'vitest';
import { type Contents, ContentsToken } from '../../src/mem/contents.js';
import { machineOf, pfnOf } from '../machine-of.js';

test('a lost page counts as unread until it is read', () => {
  const found: Contents[] = [];
  const peek = {
    name: 'peek',
    probe: (services: { get(token: typeof ContentsToken): Contents }) =>
      void found.push(services.get(ContentsToken)),
  };
  const machine = machineOf({ plugins: [peek] });
  const task = machine.createTask('t');
  task.mmap(0, 4);
  for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
  const counts = () => {
    const stats = machine.stats();
    return [stats['integrity.lost_unread_pages'], stats['integrity.lost_pages']];
  };
  const before = counts();
  found[0]?.lose(pfnOf(machine, task, 1));
  found[0]?.lose(pfnOf(machine, task, 2));
  const lost = counts();
  task.read(1);
  expect({ before, lost, read: counts() }).toEqual({ before: [0, 0], lost: [2, 0], read: [1, 1] });
});
