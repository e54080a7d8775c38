import { setImmediate } from 'node:timers/promises';
import { EBUSY } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  MEMORY_DEVICE_GENERIC,
  type MemoryType,
  MIGRATE_VMA_SELECT_COMPOUND,
  MIGRATE_VMA_SELECT_SYSTEM,
  migrateVmaArgs,
} from '../src/index.js';
import { HmmProgram } from './support/hmm-program.js';
import { toyMachine } from './support/toy-driver.js';

/** The fault-injection points of the specification; each counts only when it took effect. */
const INJECTIONS = [
  ...['locked', 'isolated', 'held before', 'held between', 'allocation', 'allocation of order 0'],
  ...['allocation of order 9', 'copy', 'copy back', 'copy back of a fault', 'hole race', 'charge'],
  ...['split with a vma', 'split without a vma', 'notifier retry', 'drain'],
];

const STEPS_OF_PROGRAM = 60;
const DEFAULT_STEPS = 480;
/**
 * `MM_LAB_STEPS=1000000 npx vitest run` on this file takes that many, from `MM_LAB_SEED` on, and
 * says what it did.
 */
const STEPS = Number(process.env.MM_LAB_STEPS ?? DEFAULT_STEPS);
const IS_LONG = STEPS > DEFAULT_STEPS;
const FIRST_SEED = Number(process.env.MM_LAB_SEED ?? 1);
/** A step takes some two milliseconds on a core of its own. */
const LIMIT = { timeout: 120_000 + STEPS * 100 };

/** A program at its end. */
function played(seed: number): HmmProgram {
  const program = new HmmProgram(seed);
  let at = 0;
  try {
    for (; at < STEPS_OF_PROGRAM; at++) program.step();
    program.finish();
  } catch (cause) {
    throw new Error(`seed ${seed}, step ${at}`, { cause });
  }
  return program;
}

test('random programs keep the invariants of device memory', LIMIT, async () => {
  const injected = new Map<string, number>();
  const programs = Math.ceil(STEPS / STEPS_OF_PROGRAM);
  for (let at = 0; at < programs; at++) {
    const program = played(FIRST_SEED + at);
    // Who runs the tests asks a worker now and then whether it is there.
    if (at % 50 === 0) await setImmediate();
    if (IS_LONG && at % 500 === 499) say(`${(at + 1) * STEPS_OF_PROGRAM} of ${STEPS}`);
    for (const [name, count] of program.injected) {
      injected.set(name, (injected.get(name) ?? 0) + count);
    }
  }
  if (IS_LONG) {
    say(`${programs * STEPS_OF_PROGRAM} steps, ${programs} programs, injections that hit:`);
    say([...injected].map(([name, count]) => `${name} ${count}`).join(', '));
  }
  // A few programs do not meet all of them.
  if (STEPS < DEFAULT_STEPS) return;
  for (const name of INJECTIONS) expect(injected.get(name) ?? 0, name).toBeGreaterThan(0);
});

test('a page map is not given back while one page is held', () => {
  const { machine, driver, task } = toyMachine();
  task.mmap(0, 4);
  task.write(0);
  expect(driver.toDevice(task, 0, 1)).toBe(1);
  const { pgmap } = driver;
  if (pgmap === null) throw new Error('probed');
  expect(driver.memremap.memunmapPages(pgmap)).toBe(-EBUSY);
  task.exit();
  expect(driver.memremap.memunmapPages(pgmap)).toBe(0);
  machine.verify();
});

test('free pages of a GENERIC map have one reference, and get it back', () => {
  const { machine, driver } = toyMachine();
  const { pgmap } = driver;
  if (pgmap === null) throw new Error('probed');
  driver.memremap.memunmapPages(pgmap);
  const type: MemoryType = MEMORY_DEVICE_GENERIC;
  const request = { ...pgmap.request, name: 'dax', type, ops: {} };
  const dax = driver.memremap.memremapPages(request);
  if (typeof dax === 'number') throw new Error(`errno ${dax}`);
  machine.folios.put(dax.base);
  expect(machine.table.refcount[dax.base]).toBe(1);
  machine.verify();
});

test('setup counts entries: a huge one counts once', () => {
  const program = new HmmProgram(2);
  const { machine, task } = program;
  const { migrateVma } = program.parts;
  const start = program.start;
  for (let vpn = start; vpn < start + 512; vpn++) task.write(vpn);
  const args = migrateVmaArgs({
    ...{ mm: task.mm, start, end: start + 512, owner: {} },
    flags: MIGRATE_VMA_SELECT_SYSTEM | MIGRATE_VMA_SELECT_COMPOUND,
  });
  expect(migrateVma.setup(args)).toBe(0);
  expect(args.cpages).toBe(1);
  migrateVma.finalize(args);
  machine.verify();
});

/** What a long run says is what it is for. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
