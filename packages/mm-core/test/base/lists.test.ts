import { expect, test } from 'vitest';
import { IntrusiveLists, Prng } from '../../src/index.js';

test('heads and tails are where elements were added', () => {
  const lists = new IntrusiveLists(10, 2);
  lists.addHead(0, 3);
  lists.addHead(0, 4);
  lists.addTail(0, 5);
  lists.addTail(1, 0);
  expect({
    order: [...lists.walk(0)],
    ends: [lists.first(0), lists.last(0)],
    neighbours: [lists.after(4), lists.before(4), lists.after(5)],
    other: [...lists.walk(1)],
    empty: [lists.isEmpty(0), lists.isEmpty(1)],
    linked: [lists.linked(3), lists.linked(9)],
  }).toMatchInlineSnapshot(`
    {
      "empty": [
        false,
        false,
      ],
      "ends": [
        4,
        5,
      ],
      "linked": [
        true,
        false,
      ],
      "neighbours": [
        3,
        -1,
        -1,
      ],
      "order": [
        4,
        3,
        5,
      ],
      "other": [
        0,
      ],
    }
  `);
});

test('an empty list has no ends', () => {
  const lists = new IntrusiveLists(4, 1);
  expect([lists.first(0), lists.last(0), lists.isEmpty(0), [...lists.walk(0)]]).toEqual([
    -1,
    -1,
    true,
    [],
  ]);
});

test('many lists over one pair of columns behave as arrays do', () => {
  const random = new Prng(2);
  const lists = new IntrusiveLists(50, 3);
  const arrays: number[][] = [[], [], []];
  for (let step = 0; step < 5000; step++) {
    const element = random.below(50);
    const home = arrays.find((array) => array.includes(element));
    if (home !== undefined) {
      lists.remove(element);
      home.splice(home.indexOf(element), 1);
      continue;
    }
    const list = random.below(3);
    const atHead = random.chance(0.5);
    if (atHead) lists.addHead(list, element);
    else lists.addTail(list, element);
    if (atHead) arrays[list]?.unshift(element);
    else arrays[list]?.push(element);
    expect(arrays.map((_, at) => [...lists.walk(at)])).toEqual(arrays);
  }
});
