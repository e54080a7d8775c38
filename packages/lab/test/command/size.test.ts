import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatBytes, parsePages } from '../../src/command/size.js';

test('sizes come with the usual units', () => {
  const sizes = ['12M', '12MiB', '1.5G', '512k', '3000pages', '1page', '7p', '8192', ' 4 M '];
  expect(sizes.map(parsePages)).toEqual([3072, 3072, 393_216, 128, 3000, 1, 7, 2, 1024]);
});

test('what is no size, or no whole number of pages, is one clear line', () => {
  for (const text of ['', 'much', '12X', '-4M', '1e6', '0', '100', '1.5pages', '99999T']) {
    expect(() => parsePages(text), text).toThrow(expect.objectContaining({ code: 'SIZE_BAD' }));
  }
});

test('a written size reads back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (pages) => {
      expect(parsePages(`${pages}pages`)).toBe(pages);
      expect(parsePages(`${pages * 4}K`)).toBe(pages);
    }),
  );
});

test('bytes are written with three digits', () => {
  expect([0, 4096, 12 * 2 ** 20, 1.5 * 2 ** 30].map(formatBytes)).toEqual([
    '0 B',
    '4 KiB',
    '12 MiB',
    '1.5 GiB',
  ]);
});
