import {
  createMachine,
  diskSwap,
  EBUSY,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Machine,
  MmError,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  Prng,
  type Task,
  VM_HUGEPAGE,
  zramSwap,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { type ZoneDeviceCompressPlugin, zoneDeviceCompress } from '../src/index.js';
import { type FakeDevice, fakeDevice } from './support/fake-device.js';

interface Fuzzed {
  readonly machine: Machine;
  readonly driver: ZoneDeviceCompressPlugin;
  readonly device: FakeDevice;
}

/** A random machine: little RAM, a small device, interrupts that come late, swap or none. */
function build(seed: number, prng: Prng): Fuzzed {
  const devicePages = 32 + prng.below(900);
  const fake = fakeDevice({
    capacityBytes: Math.floor(devicePages * 4096 * (0.2 + prng.unit() / 2)) + 8192,
    logicalPages: devicePages,
    interruptNs: prng.pick([0, 50_000, 5_000_000]),
    sizes: [200 + prng.below(2000), 200 + prng.below(4000)],
  });
  const batchPages = prng.pick([1, 7, 32, 64]);
  const driver = zoneDeviceCompress({
    nid: 1,
    batchPages,
    lowStops: prng.pick(['background', 'all'] as const),
    reserveBytes: prng.pick([0, batchPages * 4096]),
  });
  const swap = prng.pick([
    [],
    [],
    [zramSwap({ pages: 4096, codec: 'lz4' })],
    [diskSwap({ pages: 4096 })],
  ]);
  const machine = createMachine(
    {
      seed,
      nodes: [
        { id: 0, pages: 400 + prng.below(900), cpus: 2 },
        { id: 1, pages: devicePages, online: false },
      ],
      sysctl: { min_free_kbytes: 128, thp_order: prng.below(4) },
    },
    [fake, driver, ...swap],
  );
  return { machine, driver, device: fake.device() };
}

function step(prng: Prng, tasks: Task[], task: Task): void {
  const at = 4096 + prng.below(3000);
  const pages = 1 + prng.below(64);
  const prot = prng.pick([PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE]);
  const act = prng.below(16);
  if (act === 0) {
    task.mmap(at, pages * 16, PROT_READ | PROT_WRITE, prng.chance(0.3) ? VM_HUGEPAGE : 0);
  } else if (act === 1) task.munmap(at, pages);
  else if (act === 2) task.mprotect(at, pages, prot);
  else if (act === 3 && tasks.length < 4) {
    const child = task.fork('child');
    if (typeof child !== 'number') tasks.push(child);
  } else if (act === 4 && tasks.length > 1 && prng.chance(0.5)) task.exit();
  else if (act === 5) task.madvise(at, pages, prng.pick([MADV_DONTNEED, MADV_PAGEOUT]));
  else if (act === 6) task.mremap(at, pages, 4096 + prng.below(6000), 1 + prng.below(64));
  else if (act === 7 && prng.chance(0.3)) task.mlock(at, 1 + prng.below(8));
  else if (act === 8) task.munlock(at, pages);
  else if (act === 9) {
    const pinned = task.pinLongterm(at);
    if (pinned >= 0) task.unpin(pinned);
  } else {
    const burst = pages * (1 + prng.below(6));
    for (let page = 0; page < burst && task.alive; page++) {
      task.access(at + page, prng.chance(0.5), 1 + prng.below(100));
    }
  }
}

function check({ machine, driver, device }: Fuzzed): void {
  machine.verify();
  driver.driver()?.verify();
  const { lostPages, staleReads, leakedPages } = machine.engine.shadow.counts;
  const wrong = { lostPages, staleReads, leakedPages, overflows: device.overflows };
  if (Object.values(wrong).some((count) => count > 0)) throw new Error(JSON.stringify(wrong));
}

function fuzz(seed: number, steps: number): Record<string, number> {
  const prng = new Prng(seed);
  const fuzzed = build(seed, prng);
  const { machine } = fuzzed;
  let tasks: Task[] = [];
  for (let at = 0; at < steps; at++) {
    for (const task of tasks) if (machine.oom.isVictim(task.mm.id)) task.exit();
    tasks = tasks.filter((task) => task.alive);
    if (tasks.length === 0) {
      tasks.push(machine.createTask(`task${at}`));
      tasks[0]?.mmap(4096, 2500);
    }
    machine.setProgress(at / steps);
    try {
      step(prng, tasks, prng.pick(tasks));
      if (prng.chance(0.1)) machine.clock.advance(prng.below(20_000_000));
      check(fuzzed);
    } catch (cause) {
      throw new Error(`seed ${seed}, step ${at}`, { cause });
    }
  }
  return finish(fuzzed, tasks, prng);
}

/** Unplugs the device, with programs still running or not. @returns the figures of the run */
function finish(fuzzed: Fuzzed, tasks: readonly Task[], prng: Prng): Record<string, number> {
  const { machine } = fuzzed;
  const stats = machine.stats();
  const everybody = prng.chance(0.5);
  for (const task of tasks) if (everybody || prng.chance(0.5)) task.exit();
  try {
    machine.remove();
  } catch (cause) {
    const isBusy = cause instanceof MmError && cause.errno === EBUSY;
    if (!isBusy || everybody) throw cause;
  }
  check(fuzzed);
  return stats;
}

test('random programs on random machines lose nothing, leak nothing and never overflow', () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 25; seed++) {
    for (const [name, value] of Object.entries(fuzz(seed, 200))) if (value > 0) seen.add(name);
  }
  expect([...seen].filter((name) => name.startsWith('zone_device.')).sort()).toMatchInlineSnapshot(`
    [
      "zone_device.demoted_by_shrinker",
      "zone_device.entries_scanned",
      "zone_device.evictions",
      "zone_device.faults",
      "zone_device.free_pages",
      "zone_device.interrupts.high",
      "zone_device.interrupts.low",
      "zone_device.pages_in_use",
      "zone_device.pages_in_use.peak",
      "zone_device.refused",
    ]
  `);
});
