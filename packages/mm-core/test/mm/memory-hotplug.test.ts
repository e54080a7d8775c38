import { expect, test } from 'vitest';
import { EEXIST, N_MEMORY, N_ONLINE } from '../../src/index.js';
import { counted, machineOf, pfnOf, twoTiers, wrongContents } from '../machine-of.js';

test('offlining moves every page to the nearest other node and takes the memory away', () => {
  const machine = machineOf({ nodes: twoTiers(1024, 1024) });
  const task = machine.createTask('t');
  task.mmap(0, 100);
  for (let vpn = 0; vpn < 100; vpn++) task.write(vpn);
  task.movePages([...Array(100).keys()], 1);
  const before = new Set(task.where([...Array(100).keys()]));
  const rc = machine.hotplug.offlinePages(1);
  for (let vpn = 0; vpn < 100; vpn++) task.read(vpn);
  expect({
    before: [...before],
    rc,
    after: [...new Set(task.where([...Array(100).keys()]))],
    managed: machine.nodes.pgdat(1).managedPages(),
    states: [machine.nodes.hasState(1, N_MEMORY), machine.nodes.hasState(1, N_ONLINE)],
    fallback: machine.nodes.pgdat(1).fallback.map((zone) => zone.nid),
    kswapd: machine.nodes.pgdat(1).kswapd.running,
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "after": [
        0,
      ],
      "before": [
        1,
      ],
      "fallback": [
        0,
      ],
      "kswapd": false,
      "managed": 0,
      "rc": 0,
      "states": [
        false,
        false,
      ],
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('a node that came back is used again', () => {
  const machine = machineOf({ nodes: twoTiers(1024, 1024) });
  machine.hotplug.offlinePages(1);
  expect({
    offlineTwice: machine.hotplug.offlinePages(1),
    online: machine.hotplug.onlinePages(1, null),
    onlineTwice: machine.hotplug.onlinePages(1, null),
    unknown: machine.hotplug.onlinePages(7, null),
    free: machine.nodes.pgdat(1).freePages(),
    marks: machine.nodes.pgdat(1).zones[0]?.watermark,
    fallback: machine.nodes.pgdat(0).fallback.map((zone) => zone.nid),
  }).toMatchInlineSnapshot(`
    {
      "fallback": [
        0,
        1,
      ],
      "free": 1024,
      "marks": [
        44,
        55,
        66,
        77,
      ],
      "offlineTwice": -22,
      "online": 0,
      "onlineTwice": -16,
      "unknown": -22,
    }
  `);
  machine.verify();
});

test('a pinned page keeps its node online, with all else as it was', () => {
  const machine = machineOf({ nodes: [twoTiers(1024, 1)[0]!, { id: 1, pages: 1024, cpus: 1 }] });
  const task = machine.createTask('t', 1);
  task.mmap(0, 1);
  const pfn = task.pinLongterm(0);
  expect({
    rc: machine.hotplug.offlinePages(1),
    managed: machine.nodes.pgdat(1).managedPages(),
    isMemory: machine.nodes.hasState(1, N_MEMORY),
    fallback: machine.nodes.pgdat(1).fallback.map((zone) => zone.nid),
    stays: pfnOf(machine, task, 0) === pfn,
  }).toMatchInlineSnapshot(`
    {
      "fallback": [
        1,
        0,
      ],
      "isMemory": true,
      "managed": 1024,
      "rc": -16,
      "stays": true,
    }
  `);
  machine.verify();
  task.unpin(pfn);
  expect(machine.hotplug.offlinePages(1)).toBe(0);
});

test('evacuation kills nobody: without room elsewhere it fails', () => {
  const nodes = [twoTiers(200, 1)[0]!, { id: 1, pages: 1024, cpus: 1 }];
  const machine = machineOf({ nodes });
  const task = machine.createTask('t', 1);
  task.mmap(0, 600);
  for (let vpn = 0; vpn < 600; vpn++) task.write(vpn);
  expect({
    rc: machine.hotplug.offlinePages(1),
    alive: !machine.oom.isVictim(task.mm.id),
    ...counted(machine, 'oom_kill'),
    rss: task.mm.rss,
  }).toMatchInlineSnapshot(`
    {
      "alive": true,
      "oom_kill": 0,
      "rc": -16,
      "rss": 600,
    }
  `);
  machine.verify();
});

test('the last ordinary memory stays', () => {
  const machine = machineOf();
  expect([machine.hotplug.offlinePages(0), machine.memoryNodes()]).toMatchInlineSnapshot(`
    [
      -16,
      [
        0,
      ],
    ]
  `);
});

test('a range that a page map has is not memory that can be plugged', () => {
  const nodes = twoTiers(1024, 1024).map((node) => ({ ...node, online: node.id === 0 }));
  const machine = machineOf({ nodes });
  const { base, spannedPages } = machine.nodes.pgdat(1);
  machine.managed.claim(machine.managed.createOwner('map', 'page-map'), base, spannedPages);
  const refused = machine.hotplug.onlinePages(1, null);
  machine.managed.claim(null, base, spannedPages);
  expect([refused, machine.hotplug.onlinePages(1, null)]).toEqual([-EEXIST, 0]);
});
