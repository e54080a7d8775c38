import { describe, expect, test } from 'vitest';
import {
  diskSwap,
  LRU_UNEVICTABLE,
  type Machine,
  type Task,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from '../../src/index.js';
import { counted, entriesOf, machineOf, twoTiers, wrongContents } from '../machine-of.js';

function fill(task: Task, pages: number): void {
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages && task.alive; vpn++) task.write(vpn);
}

function swapping(pages = 1024): Machine {
  return machineOf({
    nodes: [{ id: 0, pages, cpus: 1 }],
    plugins: [diskSwap({ pages: 4096 })],
  });
}

describe('kswapd', () => {
  test('wakes below LOW, works up to HIGH and sleeps', () => {
    const machine = swapping();
    const zone = machine.nodes.zones[0]!;
    const log: string[] = [];
    machine.tracepoints.mm_vmscan_kswapd_wake.on(() => {
      log.push(zone.freePages <= zone.wmark(WMARK_LOW) ? 'wakes below LOW' : 'wakes above LOW');
    });
    machine.tracepoints.mm_vmscan_kswapd_sleep.on(() => {
      log.push(zone.freePages > zone.wmark(WMARK_HIGH) ? 'sleeps above HIGH' : 'sleeps below HIGH');
    });
    fill(machine.createTask('t'), 1100);
    machine.clock.advance(1e9);
    expect([...new Set(log)]).toEqual(['wakes below LOW', 'sleeps above HIGH']);
    expect(machine.nodes.pgdat(0).kswapd.asleep).toBe(true);
    machine.verify();
  });

  test('leaves a node alone that is above its marks', () => {
    const machine = swapping();
    fill(machine.createTask('t'), 500);
    machine.clock.advance(1e9);
    expect(counted(machine, 'pageoutrun', 'pgscan_kswapd')).toMatchInlineSnapshot(`
      {
        "pageoutrun": 0,
        "pgscan_kswapd": 0,
      }
    `);
  });
});

test('an allocation that finds nothing above MIN reclaims by itself', () => {
  const machine = swapping();
  fill(machine.createTask('t'), 1010);
  machine.nodes.pgdat(0).wakeKswapd = null;
  const task = machine.createTask('late');
  fill(task, 200);
  const { pgsteal_direct, allocstall_movable, oom_kill } = machine.vmstat();
  expect([pgsteal_direct > 100, allocstall_movable > 0, oom_kill]).toEqual([true, true, 0]);
  expect(machine.nodes.zones[0]!.freePages).toBeGreaterThan(0);
  machine.verify();
});

test('no ordinary allocation takes the zone below MIN', () => {
  const machine = swapping();
  const zone = machine.nodes.zones[0]!;
  const task = machine.createTask('t');
  task.mmap(0, 1500);
  let least = Infinity;
  for (let vpn = 0; vpn < 1500; vpn++) {
    task.write(vpn);
    least = Math.min(least, zone.freePages);
  }
  expect(least).toBeGreaterThanOrEqual(zone.watermark[WMARK_MIN]!);
});

test('pages that are used stay, pages that are not go first', () => {
  const machine = swapping();
  const task = machine.createTask('t');
  fill(task, 900);
  for (let round = 0; round < 30; round++) {
    for (let vpn = 0; vpn < 100; vpn++) task.read(vpn);
    task.mmap(1000 + round * 20, 20);
    for (let vpn = 0; vpn < 20; vpn++) task.write(1000 + round * 20 + vpn);
  }
  const resident = (from: number, count: number): number =>
    entriesOf(machine, task, from, count).filter((entry) => !entry.startsWith('swap')).length;
  expect([resident(0, 100) > 90, resident(100, 800) < 500]).toEqual([true, true]);
  expect(wrongContents(machine)).toBe(0);
});

describe('demotion', () => {
  test('goes down the chain of tiers, and out of the last one', () => {
    const machine = machineOf({
      nodes: [
        { id: 0, pages: 512, cpus: 1, lineNs: 100 },
        { id: 1, pages: 512, lineNs: 250 },
        { id: 2, pages: 512, lineNs: 1000 },
      ],
      sysctl: { demotion_enabled: true },
      plugins: [diskSwap({ pages: 2048 })],
    });
    const task = machine.createTask('t');
    task.mmap(0, 1700);
    for (let vpn = 0; vpn < 1700; vpn++) {
      task.write(vpn);
      if (vpn % 16 === 0) machine.clock.advance(1e8);
    }
    const seen = new Set<string>();
    machine.tracepoints.mm_migrate_folio.on((_now, _src, _dst, from, to) => {
      seen.add(`${from} to ${to}`);
    });
    for (let vpn = 0; vpn < 1700; vpn++) {
      task.read(vpn);
      if (vpn % 16 === 0) machine.clock.advance(1e8);
    }
    expect({
      moves: [...seen].sort(),
      swapped: machine.vmstat().pswpout > 0,
      everyTierUsed: [0, 1, 2].every((nid) => machine.usedPages(nid) > 300),
      wrong: wrongContents(machine),
    }).toMatchInlineSnapshot(`
      {
        "everyTierUsed": true,
        "moves": [
          "0 to 1",
          "0 to 2",
          "1 to 2",
        ],
        "swapped": true,
        "wrong": 0,
      }
    `);
    machine.verify();
  });

  test('is off unless it is enabled', () => {
    const machine = machineOf({
      nodes: twoTiers(512, 512),
      plugins: [diskSwap({ pages: 1024 })],
    });
    fill(machine.createTask('t'), 900);
    machine.clock.advance(1e9);
    expect(counted(machine, 'pgdemote_kswapd', 'pgdemote_direct')).toMatchInlineSnapshot(`
      {
        "pgdemote_direct": 0,
        "pgdemote_kswapd": 0,
      }
    `);
  });
});

describe('the OOM killer', () => {
  test('kills the largest and the others live on', () => {
    const machine = machineOf();
    const small = machine.createTask('small');
    fill(small, 100);
    const large = machine.createTask('large');
    large.mmap(0, 2000);
    const results = new Set<string>();
    for (let vpn = 0; vpn < 2000 && large.alive; vpn++) results.add(large.write(vpn));
    machine.folios.lruAddDrainAll();
    expect({
      results: [...results],
      alive: [small.alive, large.alive],
      reads: small.read(0),
      used: machine.usedPages(0),
      ...counted(machine, 'oom_kill'),
    }).toMatchInlineSnapshot(`
      {
        "alive": [
          true,
          false,
        ],
        "oom_kill": 1,
        "reads": "ok",
        "results": [
          "ok",
          "killed",
        ],
        "used": 100,
      }
    `);
    machine.verify();
  });

  test('spares a small one that asks when a large one is there', () => {
    const machine = machineOf();
    const large = machine.createTask('large');
    fill(large, 900);
    const small = machine.createTask('small');
    fill(small, 300);
    expect([small.alive, machine.oom.isVictim(large.mm.id), large.read(0)]).toMatchInlineSnapshot(`
      [
        true,
        true,
        "killed",
      ]
    `);
  });
});

describe('mlock', () => {
  test('populates, keeps its pages under pressure and lets them go again', () => {
    const machine = swapping();
    const task = machine.createTask('t');
    task.mmap(5000, 50);
    const rc = task.mlock(5000, 50);
    const unevictable = machine.lru.size(0, LRU_UNEVICTABLE);
    fill(task, 2000);
    const kept = entriesOf(machine, task, 5000, 50).every((entry) => entry.startsWith('rw'));
    task.munlock(5000, 50);
    expect({
      rc,
      unevictable,
      kept,
      after: machine.lru.size(0, LRU_UNEVICTABLE),
      ...counted(machine, 'unevictable_pgs_mlocked', 'unevictable_pgs_munlocked'),
    }).toMatchInlineSnapshot(`
      {
        "after": 0,
        "kept": true,
        "rc": 0,
        "unevictable": 50,
        "unevictable_pgs_mlocked": 50,
        "unevictable_pgs_munlocked": 50,
      }
    `);
    machine.verify();
  });

  test('of a range with a hole does nothing', () => {
    const machine = machineOf();
    const task = machine.createTask('t');
    task.mmap(0, 2);
    expect([task.mlock(0, 3), task.mm.rss]).toEqual([-12, 0]);
  });
});
