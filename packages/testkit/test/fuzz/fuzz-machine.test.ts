import { diskSwap, Prng } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import { fuzzData } from '../../src/fuzz/fuzz-data.js';
import { FuzzFailure, type FuzzOperation, fuzzMachine } from '../../src/index.js';

const SEEDS = Array.from({ length: 24 }, (_, at) => at + 1);

/** Makes the machine wrong at a step of its own choosing. */
function saboteur(how: FuzzOperation['run']): FuzzOperation {
  return { name: 'sabotage', always: true, weight: 2, run: how };
}

/** First failure among the seeds. */
function firstFailure(operation: FuzzOperation): FuzzFailure {
  for (const seed of SEEDS) {
    try {
      fuzzMachine({ seed, steps: 200, operations: [operation] });
    } catch (failure) {
      if (failure instanceof FuzzFailure) return failure;
      throw failure;
    }
  }
  throw new Error('nothing was found');
}

test.each(SEEDS)('seed %i: random operations on a random machine disagree nowhere', (seed) => {
  const report = fuzzMachine({ seed, steps: 300 });
  expect(report.steps).toBe(300);
});

test('compressed memory in front of swap: pages go out, come back and are written back', () => {
  const nodes = [{ id: 0, pages: 250, cpus: 1 }];
  const zswap = { enabled: true, max_pool_percent: 40 };
  const plugins = [fuzzData, diskSwap({ pages: 4096 })];
  const reports = SEEDS.slice(0, 12).map((seed) => {
    return fuzzMachine({ seed, steps: 300, nodes, zswap, plugins, sysctl: { swappiness: 200 } });
  });
  for (const name of ['vmstat.zswpout', 'vmstat.zswpin', 'vmstat.zswpwb']) {
    const sum = reports.reduce((total, { stats }) => total + (stats[name] ?? 0), 0);
    expect(sum, name).toBeGreaterThan(0);
  }
});

test('equal seeds give equal runs, different ones different runs', () => {
  const one = fuzzMachine({ seed: 7, steps: 150 });
  expect(fuzzMachine({ seed: 7, steps: 150 })).toEqual(one);
  expect(fuzzMachine({ seed: 8, steps: 150 })).not.toEqual(one);
});

test('a run leaves some operations out altogether', () => {
  const kinds = SEEDS.map((seed) => {
    return Object.keys(fuzzMachine({ seed, steps: 60 }).operations).length;
  });
  expect(Math.max(...kinds)).toBeLessThan(52);
  expect(new Set(kinds).size).toBeGreaterThan(4);
});

describe('what is wrong is found', () => {
  test('a leaked reference', () => {
    const failure = firstFailure(
      saboteur((world) => {
        const pfn = world.machine.zoneAlloc.alloc({ gfp: 0, order: 0, nid: 0, nodemask: null });
        return `kept ${pfn}`;
      }),
    );
    expect(failure.message).toMatch(/seed \d+, step \d+: folio \d+: 1 references, 0 holders/);
  });

  test('contents that another program stored', () => {
    const random = new Prng(3);
    const failure = firstFailure(
      saboteur((world, model) => {
        const { table, ptes } = world.machine;
        const slot = ptes.find(model.task.mm.id, model.vpn(random.below(1024)));
        if (slot >= 0 && ptes.value[slot]! > 0) table.version[ptes.value[slot]!]! += 1;
        return 'swapped contents';
      }),
    );
    expect(failure.message).toMatch(/leaked pages|stale reads|holds -?\d+, the program stored/);
  });

  test('a writable mapping of a shared page', () => {
    const failure = firstFailure(
      saboteur((world, model) => {
        const { ptes, mms } = world.machine;
        const mm = mms.get(model.task.mm.id);
        ptes.walk(mm.id, 0, Infinity, (slot) => {
          if ((ptes.bits[slot]! & 0x23) === 0x01) ptes.bits[slot]! |= 0x02;
        });
        return 'made writable';
      }),
    );
    expect(failure.message).toMatch(/writable page \d+ is exclusive/);
  });

  test('and it is found again at the same step', () => {
    const leak = saboteur((world) => {
      world.machine.zoneAlloc.alloc({ gfp: 0, order: 0, nid: 0, nodemask: null });
      return 'leak';
    });
    const { seed, step } = firstFailure(leak);
    const again = { seed, steps: step + 1, operations: [leak] };
    expect(() => fuzzMachine(again)).toThrow(`seed ${seed}, step ${step}:`);
    expect(() => fuzzMachine({ ...again, steps: step })).not.toThrow();
  });
});
