import { expect, test } from 'vitest';
import { Prng, Ptes } from '../../src/index.js';

test('a page keeps its slot while the pool grows', () => {
  const ptes = new Ptes(1);
  const first = ptes.slot(1, 5);
  ptes.bits[first] = 7;
  for (let region = 1; region < 40; region++) ptes.slot(1, region * 512);
  expect([
    ptes.slot(1, 5) === first,
    ptes.bits[first],
    ptes.vpnOf(first),
    ptes.mmOf(first),
  ]).toMatchInlineSnapshot(`
    [
      true,
      7,
      5,
      1,
    ]
  `);
});

test('address spaces share no slot, and the far end of one is as good as its start', () => {
  const ptes = new Ptes();
  const far = 2 ** 35 - 1;
  const slots = [ptes.slot(1, 0), ptes.slot(2, 0), ptes.slot(1, far)];
  expect([new Set(slots).size, ptes.vpnOf(slots[2]!), ptes.find(3, 0), ptes.find(2, 512)]).toEqual([
    3,
    far,
    -1,
    -1,
  ]);
});

test('a walk visits what is not empty, in order, clipped to the range', () => {
  const ptes = new Ptes();
  for (const vpn of [1000, 3, 511, 512, 513]) ptes.bits[ptes.slot(1, vpn)] = 1;
  const seen: number[] = [];
  ptes.walk(1, 4, 1000, (_, vpn) => seen.push(vpn));
  expect(seen).toEqual([511, 512, 513]);
});

test('a released address space gives its leaves to the next, without expectations', () => {
  const ptes = new Ptes();
  const slot = ptes.slot(1, 9);
  ptes.shadow[slot] = 77;
  ptes.release(1);
  expect([ptes.find(1, 9), ptes.slot(2, 9) === slot, ptes.shadow[slot], ptes.mmOf(slot)]).toEqual([
    -1,
    true,
    0,
    2,
  ]);
});

test('reserved regions lie one after the other', () => {
  const ptes = new Ptes();
  ptes.slot(1, 0);
  const first = ptes.reserve(2, [7, 3, 9]);
  expect([7, 3, 9].map((region) => ptes.slot(2, region * 512) >> 9)).toEqual([
    first,
    first + 1,
    first + 2,
  ]);
});

test('every slot names its page, whatever was asked for', () => {
  const random = new Prng(6);
  const ptes = new Ptes(2);
  const bySlot = new Map<number, string>();
  for (let at = 0; at < 3000; at++) {
    const mm = 1 + random.below(3);
    const vpn = random.below(40) * 512 + random.below(512);
    const slot = ptes.slot(mm, vpn);
    const name = `${mm}:${vpn}`;
    expect(bySlot.get(slot) ?? name).toBe(name);
    bySlot.set(slot, name);
    expect(`${ptes.mmOf(slot)}:${ptes.vpnOf(slot)}`).toBe(name);
  }
});
