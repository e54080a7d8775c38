import { expect, test } from 'vitest';
import { FolioTable, ORDERS, Prng, Rmap } from '../../src/index.js';

test('one slot costs no list, more come oldest first', () => {
  const rmap = new Rmap(new FolioTable(1024, ORDERS));
  rmap.add(5, 0);
  const one = rmap.slots(5);
  rmap.add(5, 9);
  rmap.add(5, 4);
  const three = rmap.slots(5);
  rmap.remove(5, 0);
  const two = rmap.slots(5);
  rmap.remove(5, 4);
  expect({
    one,
    three,
    two,
    last: rmap.slots(5),
    count: rmap.count(5),
    none: rmap.slots(6),
  }).toMatchInlineSnapshot(`
    {
      "count": 1,
      "last": [
        9,
      ],
      "none": [],
      "one": [
        0,
      ],
      "three": [
        0,
        9,
        4,
      ],
      "two": [
        9,
        4,
      ],
    }
  `);
});

test('a slot that is not there cannot be removed', () => {
  const rmap = new Rmap(new FolioTable(1024, ORDERS));
  rmap.add(1, 2);
  expect(() => rmap.remove(1, 3)).toThrow('knows the slot');
  rmap.add(1, 4);
  expect(() => rmap.remove(1, 3)).toThrow('knows the slot');
});

test('it holds what a map of sets holds', () => {
  const random = new Prng(8);
  const rmap = new Rmap(new FolioTable(1024, ORDERS));
  const model = new Map<number, number[]>();
  for (let step = 0; step < 5000; step++) {
    const pfn = random.below(8);
    const slots = model.get(pfn) ?? [];
    if (random.chance(0.5) && slots.length > 0) {
      const [slot = 0] = slots.splice(random.below(slots.length), 1);
      rmap.remove(pfn, slot);
    } else {
      rmap.add(pfn, step);
      slots.push(step);
    }
    model.set(pfn, slots);
    expect([rmap.slots(pfn), rmap.count(pfn)]).toEqual([slots, slots.length]);
  }
});
