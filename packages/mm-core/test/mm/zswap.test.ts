import { describe, expect, test } from 'vitest';
import {
  CGROUP_FOLDER,
  diskSwap,
  MADV_PAGEOUT,
  type Machine,
  PG_dirty,
  PG_swapcache,
  type Task,
  zramSwap,
} from '../../src/index.js';
import { compressible } from '../compressible.js';
import { counted, type MachineOptions, machineOf, pfnOf, wrongContents } from '../machine-of.js';

const PAGES = 200;
const EVENTS = ['zswpout', 'zswpin', 'zswpwb', 'pswpout', 'pswpin', 'swpout_zero'] as const;

interface World {
  readonly machine: Machine;
  readonly task: Task;
}

/** A task with written pages, zswap on, and a disk behind it. */
function worldOf(zswap: MachineOptions['zswap'] = {}, size = (_vpn: number) => 1000): World {
  const machine = machineOf({
    zswap: { enabled: true, ...zswap },
    plugins: [compressible(size), diskSwap({ pages: 1024 })],
  });
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  return { machine, task };
}

const stat = (machine: Machine, name: string): number => machine.stats()[`zswap.${name}`] ?? 0;

test('off by default: pages go to the device, and nothing is counted', () => {
  const { machine, task } = worldOf({ enabled: false });
  task.madvise(0, PAGES, MADV_PAGEOUT);
  for (let vpn = 0; vpn < PAGES; vpn++) task.read(vpn);
  expect(counted(machine, ...EVENTS)).toMatchInlineSnapshot(`
    {
      "pswpin": 200,
      "pswpout": 200,
      "swpout_zero": 0,
      "zswpin": 0,
      "zswpout": 0,
      "zswpwb": 0,
    }
  `);
  expect(Object.keys(machine.stats()).filter((name) => name.startsWith('zswap.'))).toEqual([]);
});

test('a page goes to memory, comes back dirty, and its slot holds nothing any more', () => {
  const { machine, task } = worldOf();
  machine.pseudoFiles.write('/proc/sys/vm/page-cluster', '0');
  task.madvise(0, PAGES, MADV_PAGEOUT);
  const out = [
    machine.swap.used(),
    stat(machine, 'stored_pages'),
    stat(machine, 'pool_total_size'),
  ];
  machine.verify();
  task.read(0);
  const pfn = pfnOf(machine, task, 0);
  expect({
    out,
    left: stat(machine, 'stored_pages'),
    used: machine.swap.used(),
    cached: machine.table.has(pfn, PG_swapcache),
    dirty: machine.table.has(pfn, PG_dirty),
    wrong: wrongContents(machine),
    ...counted(machine, ...EVENTS),
  }).toMatchInlineSnapshot(`
    {
      "cached": true,
      "dirty": true,
      "left": 199,
      "out": [
        200,
        200,
        204800,
      ],
      "pswpin": 0,
      "pswpout": 0,
      "swpout_zero": 0,
      "used": 200,
      "wrong": 0,
      "zswpin": 1,
      "zswpout": 200,
      "zswpwb": 0,
    }
  `);
  machine.verify();
  task.madvise(0, 1, MADV_PAGEOUT);
  task.read(0);
  expect(wrongContents(machine)).toBe(0);
  expect(counted(machine, 'zswpout', 'zswpin')).toEqual({ zswpout: PAGES + 1, zswpin: 2 });
  machine.verify();
});

test('its pool takes real pages, by the size classes of zsmalloc', () => {
  const { machine, task } = worldOf({}, (vpn) => 1 + vpn * 20);
  const before = machine.usedPages(0);
  task.madvise(0, PAGES, MADV_PAGEOUT);
  const pool = stat(machine, 'pool_total_size') / 4096;
  const fewer = before - machine.usedPages(0);
  expect({ pool, fewer, ...counted(machine, 'zswpwb') }).toMatchInlineSnapshot(`
    {
      "fewer": 29,
      "pool": 156,
      "zswpwb": 15,
    }
  `);
});

test('a page that does not shrink is kept whole', () => {
  const { machine, task } = worldOf({}, () => 4096);
  task.madvise(0, 10, MADV_PAGEOUT);
  expect([stat(machine, 'stored_pages'), stat(machine, 'stored_incompressible_pages')]).toEqual([
    10, 10,
  ]);
  task.read(3);
  expect(wrongContents(machine)).toBe(0);
  machine.verify();
});

test('a page that was written back stays in the swap cache until reclaim meets it', () => {
  const { machine, task } = worldOf();
  task.madvise(0, 100, MADV_PAGEOUT);
  machine.pseudoFiles.write('/sys/module/zswap/parameters/max_pool_percent', '0');
  task.madvise(100, 50, MADV_PAGEOUT);
  machine.sleep(1_000_000);
  const { zswpwb = 0 } = counted(machine, 'zswpwb');
  for (let vpn = 0; vpn < 100; vpn++) task.read(vpn);
  expect({ zswpwb, ...counted(machine, 'pgmajfault', 'pswpin') }).toEqual({
    zswpwb: 100,
    pgmajfault: 0,
    pswpin: 0,
  });
  expect(wrongContents(machine)).toBe(0);
  machine.verify();
});

test('a huge page that zswap takes was not written to a device', () => {
  const machine = machineOf({
    nodes: [{ id: 0, pages: 2048, cpus: 1 }],
    plugins: [diskSwap({ pages: 4096 })],
  });
  machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/enabled', 'always');
  const task = machine.createTask('t');
  const written = (enabled: string): Record<string, number> => {
    machine.pseudoFiles.write('/sys/module/zswap/parameters/enabled', enabled);
    task.mmap(0, 512);
    for (let vpn = 0; vpn < 512; vpn++) task.write(vpn);
    task.madvise(0, 512, MADV_PAGEOUT);
    task.munmap(0, 512);
    return counted(machine, 'thp_swpout', 'zswpout', 'pswpout');
  };
  expect([written('Y'), written('N')]).toEqual([
    { thp_swpout: 0, zswpout: 512, pswpout: 0 },
    { thp_swpout: 1, zswpout: 512, pswpout: 512 },
  ]);
});

test('what is unmapped leaves zswap', () => {
  const { machine, task } = worldOf();
  task.madvise(0, PAGES, MADV_PAGEOUT);
  task.munmap(0, PAGES);
  expect([stat(machine, 'stored_pages'), stat(machine, 'pool_total_size')]).toEqual([0, 0]);
  machine.verify();
});

describe('a full pool', () => {
  test('sends pages to the device, and its oldest pages follow', () => {
    const { machine, task } = worldOf({ max_pool_percent: 2 });
    task.madvise(0, PAGES, MADV_PAGEOUT);
    const full = [stat(machine, 'pool_total_size') / 4096, stat(machine, 'pool_limit_hit') > 0];
    machine.sleep(1_000_000);
    machine.verify();
    expect({
      full,
      after: stat(machine, 'pool_total_size') / 4096,
      writtenBack: stat(machine, 'written_back_pages'),
      ...counted(machine, ...EVENTS),
    }).toMatchInlineSnapshot(`
      {
        "after": 16,
        "full": [
          16,
          true,
        ],
        "pswpin": 0,
        "pswpout": 142,
        "swpout_zero": 0,
        "writtenBack": 19,
        "zswpin": 0,
        "zswpout": 77,
        "zswpwb": 19,
      }
    `);
    for (let vpn = 0; vpn < PAGES; vpn++) task.read(vpn);
    expect(wrongContents(machine)).toBe(0);
    machine.verify();
  });

  test('gives every page the second chance that its worker owes it', () => {
    const { machine, task } = worldOf({ max_pool_percent: 2, accept_threshold_percent: 0 });
    task.madvise(0, PAGES, MADV_PAGEOUT);
    machine.sleep(1_000_000);
    expect([stat(machine, 'stored_pages'), stat(machine, 'pool_total_size')]).toEqual([0, 0]);
    machine.verify();
  });
});

test('the shrinker writes back under pressure when it is on', () => {
  const run = (shrinker_enabled: boolean): number => {
    const machine = machineOf({
      nodes: [{ id: 0, pages: 1024, cpus: 1 }],
      zswap: { enabled: true, shrinker_enabled },
      plugins: [compressible(() => 2000), diskSwap({ pages: 4096 })],
    });
    const task = machine.createTask('t');
    task.mmap(0, 1200);
    for (let turn = 0; turn < 3; turn++) for (let vpn = 0; vpn < 1200; vpn++) task.write(vpn);
    machine.verify();
    expect(wrongContents(machine)).toBe(0);
    return counted(machine, 'zswpwb').zswpwb ?? 0;
  };
  const [on, off] = [run(true), run(false)];
  expect(on).toBeGreaterThan(off);
});

/** A task in a group with one file written, that has sent all it has to swap. */
const limited = (
  file: string,
  value: string,
  { size = 1000, ...zswap }: MachineOptions['zswap'] & { readonly size?: number } = {},
): World & { read(f: string): string } => {
  const machine = machineOf({
    zswap: { enabled: true, ...zswap },
    plugins: [compressible(() => size), diskSwap({ pages: 1024 })],
  });
  const { pseudoFiles } = machine;
  pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+memory');
  machine.cgroups.mkdir('g');
  const task = machine.createTask('t');
  pseudoFiles.write(`${CGROUP_FOLDER}/g/cgroup.procs`, String(task.struct.pid));
  expect(pseudoFiles.write(`${CGROUP_FOLDER}/g/${file}`, value)).toBe(0);
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  task.madvise(0, PAGES, MADV_PAGEOUT);
  machine.verify();
  const read = (name: string): string => String(pseudoFiles.read(`${CGROUP_FOLDER}/g/${name}`));
  return { machine, task, read };
};

describe('control groups', () => {
  const rowsOf = (text: string): string[] =>
    text.split('\n').filter((line) => /^(zsw|kernel |pagetables|pswpout)/.test(line));

  test('pay for the bytes of their pages', () => {
    const { read, machine, task } = limited('memory.zswap.max', 'max');
    expect([read('memory.zswap.current'), rowsOf(read('memory.stat'))]).toMatchInlineSnapshot(`
      [
        "200000",
        [
          "kernel 212992",
          "pagetables 12288",
          "zswap 200000",
          "zswapped 819200",
          "zswap_incomp 0",
          "pswpout 0",
          "zswpin 0",
          "zswpout 200",
          "zswpwb 0",
        ],
      ]
    `);
    task.munmap(0, PAGES);
    machine.verify();
    expect(read('memory.zswap.current')).toBe('0');
  });

  test('at memory.zswap.max their own oldest pages make room', () => {
    const { read } = limited('memory.zswap.max', '40960');
    expect([read('memory.zswap.current'), rowsOf(read('memory.stat'))]).toMatchInlineSnapshot(`
      [
        "30000",
        [
          "kernel 45056",
          "pagetables 12288",
          "zswap 30000",
          "zswapped 122880",
          "zswap_incomp 0",
          "pswpout 170",
          "zswpin 0",
          "zswpout 199",
          "zswpwb 169",
        ],
      ]
    `);
  });

  test('memory.zswap.max 0 sends everything to the device', () => {
    const { machine } = limited('memory.zswap.max', '0');
    expect(counted(machine, 'zswpout', 'pswpout')).toEqual({ zswpout: 0, pswpout: PAGES });
  });

  test('without memory.zswap.writeback a page that zswap refuses stays in memory', () => {
    const { machine, task } = limited('memory.zswap.writeback', '0', { size: 4096 });
    for (let vpn = 0; vpn < PAGES; vpn++) task.read(vpn);
    expect(counted(machine, ...EVENTS, 'pgmajfault')).toMatchInlineSnapshot(`
      {
        "pgmajfault": 0,
        "pswpin": 0,
        "pswpout": 0,
        "swpout_zero": 0,
        "zswpin": 0,
        "zswpout": 0,
        "zswpwb": 0,
      }
    `);
  });
});

test('a pool that was full takes pages again below the threshold, not before', () => {
  const options = { max_pool_percent: 2, accept_threshold_percent: 50 };
  const { machine, task } = limited('memory.zswap.writeback', '0', options);
  const taken = (): number => counted(machine, 'zswpout').zswpout ?? 0;
  const first = taken();
  const outAfter = (reads: number): number => {
    for (let vpn = 0; vpn < reads; vpn++) task.read(vpn);
    for (let vpn = PAGES - 10; vpn < PAGES; vpn++) task.read(vpn);
    task.madvise(PAGES - 10, 10, MADV_PAGEOUT);
    return taken() - first;
  };
  expect([first, outAfter(0), outAfter(10), outAfter(60)]).toEqual([77, 0, 0, 10]);
});

test('its parameters are files', () => {
  const { machine } = worldOf();
  const at = (name: string): string => `/sys/module/zswap/parameters/${name}`;
  const { pseudoFiles } = machine;
  expect([
    pseudoFiles.read(at('enabled')),
    pseudoFiles.write(at('enabled'), '0'),
    pseudoFiles.read(at('enabled')),
    pseudoFiles.write(at('compressor'), 'no such'),
    pseudoFiles.write(at('compressor'), 'zstd'),
    pseudoFiles.read(at('compressor')),
    pseudoFiles.read(at('max_pool_percent')),
    pseudoFiles.read('/sys/kernel/debug/zswap/stored_pages'),
  ]).toEqual(['Y', 0, 'N', -2, 0, 'zstd', '20', '0']);
});

test('pages of two compressors lie side by side', () => {
  const { machine, task } = worldOf();
  task.madvise(0, 50, MADV_PAGEOUT);
  machine.pseudoFiles.write('/sys/module/zswap/parameters/compressor', 'zstd');
  machine.pseudoFiles.write('/proc/sys/vm/page-cluster', '0');
  task.madvise(50, 50, MADV_PAGEOUT);
  for (let vpn = 25; vpn < 75; vpn++) task.read(vpn);
  expect([stat(machine, 'stored_pages'), wrongContents(machine)]).toEqual([50, 0]);
  machine.verify();
});

test('zram behind zswap holds what zswap writes back', () => {
  const machine = machineOf({
    zswap: { enabled: true, max_pool_percent: 1 },
    plugins: [compressible(() => 1500), zramSwap({ pages: 512, codec: 'lz4' })],
  });
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  task.madvise(0, PAGES, MADV_PAGEOUT);
  machine.sleep(1_000_000);
  const { stored_pages: _, ...counts } = counted(machine, ...EVENTS);
  const zram = machine.stats()['zram.stored_pages'];
  for (let vpn = 0; vpn < PAGES; vpn++) task.read(vpn);
  machine.verify();
  expect({ ...counts, zram, wrong: wrongContents(machine) }).toMatchInlineSnapshot(`
    {
      "pswpin": 0,
      "pswpout": 200,
      "swpout_zero": 0,
      "wrong": 0,
      "zram": 200,
      "zswpin": 0,
      "zswpout": 25,
      "zswpwb": 25,
    }
  `);
});
