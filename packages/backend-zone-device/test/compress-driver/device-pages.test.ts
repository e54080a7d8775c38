import { expect, test } from 'vitest';
import { DevicePages } from '../../src/index.js';

test('pages come back to the free list and the oldest in use are known', () => {
  const pages = new DevicePages(1000, 4);
  const taken = [pages.take(), pages.take(), pages.take(), pages.take(), pages.take()];
  expect(taken).toEqual([1000, 1001, 1002, 1003, -1]);
  pages.give(1001);
  pages.give(1000);
  expect([pages.take(), pages.free, pages.inUse, pages.usedPeak]).toEqual([1000, 1, 3, 4]);
  expect(pages.oldest(2, (pfn) => pfn !== 1002)).toEqual([1003, 1000]);
  expect(() => pages.give(1001)).toThrow(/given back once/);
  pages.verify();
});
