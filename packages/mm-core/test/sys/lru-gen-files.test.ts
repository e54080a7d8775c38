import { expect, test } from 'vitest';
import { diskSwap, EINVAL, MADV_SEQUENTIAL, type Machine, type Task } from '../../src/index.js';
import { counted, machineOf } from '../machine-of.js';

const FILE = '/sys/kernel/debug/lru_gen';

function read(machine: Machine): string {
  const text = machine.pseudoFiles.read(FILE, null);
  return typeof text === 'string' ? text : `error ${text}`;
}

/** A machine with generations, and a task that has written 20 pages. */
function twentyPages(): { machine: Machine; task: Task } {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  machine.pseudoFiles.write('/sys/kernel/mm/lru_gen/enabled', 'y', null);
  const task = machine.createTask('t');
  task.mmap(0, 20);
  for (let vpn = 0; vpn < 20; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return { machine, task };
}

test('lru_gen shows generations by age, makes new ones and evicts the oldest', () => {
  const { machine, task } = twentyPages();
  const write = (text: string): number => machine.pseudoFiles.write(FILE, text, null);
  machine.sleep(3_000_000);
  expect([write('+ 1 0 9'), write('- 1 0 2'), write('+ 1 7 3'), write('x 1 0 3')]).toEqual([
    -EINVAL,
    -EINVAL,
    -EINVAL,
    -EINVAL,
  ]);
  expect(write('+ 1 0 3')).toBe(0);
  machine.sleep(2_000_000);
  for (let vpn = 0; vpn < 5; vpn++) task.read(vpn);
  expect(write('+ 1 0 4')).toBe(0);
  machine.sleep(1_000_000);
  expect(`\n${read(machine)}`).toMatchInlineSnapshot(`
    "
    memcg 1 /
     node     0
              2          6          0           0 
              3          6         15           0 
              4          3          5           0 
              5          1          0           0 "
  `);
  expect([write('- 1 0 2 200 3; - 1 0 3 max'), task.struct.majFlt]).toEqual([0, 0]);
  expect(counted(machine, 'pswpout', 'pgsteal_proactive', 'pgsteal_kswapd')).toMatchInlineSnapshot(`
    {
      "pgsteal_kswapd": 0,
      "pgsteal_proactive": 15,
      "pswpout": 15,
    }
  `);
  for (let vpn = 0; vpn < 20; vpn++) task.read(vpn);
  machine.verify();
});

test('aging leaves out areas that are read in sequence', () => {
  const { machine, task } = twentyPages();
  expect(task.madvise(0, 12, MADV_SEQUENTIAL)).toBe(0);
  for (const text of ['+ 1 0 3', '+ 1 0 4']) {
    expect(machine.pseudoFiles.write(FILE, text, null)).toBe(0);
    for (let vpn = 0; vpn < 20; vpn++) task.read(vpn);
  }
  const [, , ...generations] = read(machine).trimEnd().split('\n');
  const anonymous = generations.map((line) => Number(line.trim().split(/\s+/)[2]));
  expect(anonymous.filter((pages) => pages > 0)).toEqual([12, 8]);
});
