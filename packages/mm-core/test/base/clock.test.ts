import { expect, test } from 'vitest';
import { Clock, Prng } from '../../src/index.js';

test('events fire at their own time, equal times in the order of scheduling', () => {
  const clock = new Clock();
  const log: string[] = [];
  const note = (name: string) => () => log.push(`${name}@${clock.now}`);
  clock.after(30, note('c'));
  clock.after(10, note('a'));
  clock.after(10, note('b'));
  clock.after(99, note('late'));
  clock.advance(50);
  expect({ log, now: clock.now, deadline: clock.deadline() }).toMatchInlineSnapshot(`
    {
      "deadline": 99,
      "log": [
        "a@10",
        "b@10",
        "c@30",
      ],
      "now": 50,
    }
  `);
});

test('a cancelled event does not fire and is no deadline', () => {
  const clock = new Clock();
  const event = clock.after(5, () => {
    throw new Error('fired');
  });
  event.cancel();
  expect([event.pending, clock.deadline(), clock.pendingCount()]).toEqual([false, Infinity, 0]);
  clock.advance(10);
  expect(clock.now).toBe(10);
});

test('a handler may schedule more, within the same advance too', () => {
  const clock = new Clock();
  const log: number[] = [];
  const tick = (): void => {
    log.push(clock.now);
    if (log.length < 4) clock.after(3, tick);
  };
  clock.after(3, tick);
  clock.advance(10);
  expect(log).toEqual([3, 6, 9]);
  clock.advance(10);
  expect(log).toEqual([3, 6, 9, 12]);
});

test('events never nest: time spent inside one is left to the outer advance', () => {
  const clock = new Clock();
  const log: string[] = [];
  clock.after(1, () => {
    log.push(`begin, inEvent ${clock.inEvent()}`);
    clock.advance(100);
    log.push('end');
  });
  clock.after(2, () => log.push('other'));
  clock.advance(5);
  expect([...log, clock.inEvent(), clock.now]).toEqual([
    'begin, inEvent true',
    'end',
    'other',
    false,
    5,
  ]);
});

test('a delay below zero counts as none, and a handler that throws leaves the clock usable', () => {
  const clock = new Clock();
  clock.advance(7);
  clock.after(-5, () => {
    throw new Error('broken actor');
  });
  expect(() => clock.advance(1)).toThrow('broken actor');
  expect(clock.inEvent()).toBe(false);
  clock.advance(1);
  expect(clock.now).toBe(8);
});

test('any number of events fires sorted by time and order', () => {
  const random = new Prng(1);
  const clock = new Clock();
  const fired: [number, number][] = [];
  for (let order = 0; order < 2000; order++) {
    const event = clock.after(random.below(300), () => fired.push([clock.now, order]));
    if (random.chance(0.2)) event.cancel();
  }
  const waiting = clock.pendingCount();
  clock.advance(300);
  const sorted = [...fired].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  expect([fired.length, fired]).toEqual([waiting, sorted]);
});
