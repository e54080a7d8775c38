import { expect, test } from 'vitest';
import { zramSwap } from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const PAGES = 1024;

/** Where 1,150 pages of a program on a node of 1,024 end up, and what was counted. */
function spread(mode: number): object {
  const nodes = [
    { id: 0, pages: PAGES, cpus: 1 },
    { id: 1, pages: PAGES },
  ];
  const machine = machineOf({ nodes, plugins: [zramSwap({ pages: PAGES, codec: 'lz4' })] });
  machine.pseudoFiles.write('/proc/sys/vm/min_slab_ratio', '0');
  machine.pseudoFiles.write('/proc/sys/vm/zone_reclaim_mode', String(mode));
  const task = machine.createTask('t');
  task.mmap(0, 1150);
  for (let vpn = 0; vpn < 1150; vpn++) task.write(vpn);
  machine.verify();
  const all = Array.from({ length: 1150 }, (_, vpn) => vpn);
  return {
    onNode1: task.where(all).filter((nid) => nid === 1).length > 0,
    swapped: machine.swap.used() > 0,
    succeeded: machine.counters.read('zone_reclaim_success') > 0,
    failed: machine.counters.read('zone_reclaim_failed') > 0,
  };
}

test('a full node is reclaimed from before the next one is used, if it is told to', () => {
  expect([spread(0), spread(1), spread(4)]).toMatchInlineSnapshot(`
    [
      {
        "failed": false,
        "onNode1": true,
        "succeeded": false,
        "swapped": false,
      },
      {
        "failed": true,
        "onNode1": true,
        "succeeded": false,
        "swapped": false,
      },
      {
        "failed": false,
        "onNode1": true,
        "succeeded": true,
        "swapped": true,
      },
    ]
  `);
});
