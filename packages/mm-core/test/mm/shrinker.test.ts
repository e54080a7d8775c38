import { expect, test } from 'vitest';
import { type ScanControl, SHRINK_STOP, type ShrinkControl, Shrinkers } from '../../src/index.js';

function run(priority: number): ScanControl {
  return {
    reclaimer: 'direct',
    nrToReclaim: 32,
    priority,
    maySwap: true,
    mayDemote: true,
    order: 0,
    nrScanned: 0,
    nrReclaimed: 0,
  };
}

/** Asks a shrinker of `objects` that gives back half of what it scans. @returns scans, pages */
function ask(objects: number, priorities: readonly number[]): [number[], number] {
  const scans: number[] = [];
  const shrinkers = new Shrinkers();
  shrinkers.register({
    name: 'half',
    countObjects: () => objects,
    scanObjects: ({ nrToScan }: ShrinkControl) => {
      scans.push(nrToScan);
      return nrToScan >> 1;
    },
  });
  let pages = 0;
  for (const priority of priorities) {
    const sc = run(priority);
    for (const _ of shrinkers.shrinkSlab(0, sc));
    pages += sc.nrReclaimed;
  }
  return [scans, pages];
}

test('a shrinker scans twice its objects by priority, in batches of 128', () => {
  expect([ask(4096, [5]), ask(300, [0]), ask(100, [0])]).toEqual([
    [[128, 128], 128],
    [[128, 128, 128, 128], 256],
    [[128], 64],
  ]);
});

test('what is below a batch is put off until there is enough', () => {
  expect(ask(4096, [6, 7])).toEqual([[128], 64]);
  expect(ask(1000, [4, 4])).toEqual([[128], 64]);
});

test('a shrinker that stops is left alone, and one that has nothing is not asked', () => {
  const shrinkers = new Shrinkers();
  let calls = 0;
  shrinkers.register({
    name: 'stops',
    countObjects: () => 1000,
    scanObjects: () => {
      calls++;
      return SHRINK_STOP;
    },
  });
  shrinkers.register({
    name: 'empty',
    countObjects: () => 0,
    scanObjects: () => {
      throw new Error('asked');
    },
  });
  const sc = run(0);
  for (const _ of shrinkers.shrinkSlab(0, sc));
  expect([calls, sc.nrReclaimed]).toEqual([1, 0]);
});
