import { expect, test } from 'vitest';
import { NUMA_NO_NODE } from '../../src/abi/mempolicy.js';
import {
  MmStruct,
  MPOL_BIND,
  type Policy,
  PROT_READ,
  PROT_WRITE,
  Prng,
  VM_DONTEXPAND,
  VM_MAYWRITE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  type Vma,
} from '../../src/index.js';
import { AddressSpace } from '../../src/mem/address-space.js';
import { anonymousVma, clipVma, vmaAllows } from '../../src/mem/vma.js';

const RW = VM_READ | VM_WRITE;

function area(start: number, end: number, flags = RW): Vma {
  return anonymousVma(start, end, flags);
}

function layout(mm: MmStruct): string[] {
  return mm.vmas.map(({ start, end, flags }) => `${start}-${end} ${flags}`);
}

test('neighbours that differ in nothing merge, others stand side by side', () => {
  const mm = new MmStruct(1, 't');
  mm.replace(0, 4, [area(0, 4)]);
  mm.replace(8, 12, [area(8, 12)]);
  mm.replace(4, 8, [area(4, 8)]);
  const merged = layout(mm);
  mm.replace(4, 6, [area(4, 6, VM_READ)]);
  const split = layout(mm);
  mm.replace(4, 6, [area(4, 6)]);
  expect({ merged, split, again: layout(mm) }).toMatchInlineSnapshot(`
    {
      "again": [
        "0-12 3",
      ],
      "merged": [
        "0-12 3",
      ],
      "split": [
        "0-4 3",
        "4-6 1",
        "6-12 3",
      ],
    }
  `);
});

test('a hole splits an area and parts are clipped to what was asked', () => {
  const mm = new MmStruct(1, 't');
  mm.replace(0, 10, [area(0, 10)]);
  mm.replace(3, 5, []);
  expect({
    layout: layout(mm),
    within: mm.within(1, 7).map(({ start, end }) => [start, end]),
    found: [2, 3, 4, 5, 10].map((vpn) => mm.find(vpn)?.start ?? null),
    covers: [mm.covers(0, 3), mm.covers(2, 4), mm.covers(5, 10), mm.covers(9, 11)],
  }).toMatchInlineSnapshot(`
    {
      "covers": [
        true,
        false,
        true,
        false,
      ],
      "found": [
        0,
        null,
        null,
        5,
        null,
      ],
      "layout": [
        "0-3 3",
        "5-10 3",
      ],
      "within": [
        [
          1,
          3,
        ],
        [
          5,
          7,
        ],
      ],
    }
  `);
});

test('areas merge if their policies say the same', () => {
  const bind = (nid: number): Policy => ({
    mode: MPOL_BIND,
    flags: 0,
    nodes: new Set([nid]),
    w: new Set([0, 1]),
    homeNode: NUMA_NO_NODE,
  });
  const mm = new MmStruct(1, 't');
  mm.replace(0, 4, [{ ...area(0, 4), policy: bind(0) }]);
  mm.replace(4, 8, [{ ...area(4, 8), policy: bind(1) }]);
  mm.replace(8, 12, [{ ...area(8, 12), policy: bind(1) }]);
  expect(layout(mm)).toEqual([`0-4 ${RW}`, `4-12 ${RW}`]);
});

test('a load is allowed where anything is, a store only where stores are', () => {
  const kinds = [0, VM_READ, VM_WRITE, RW, 4];
  expect(
    kinds.map((flags) => [vmaAllows(area(0, 1, flags), false), vmaAllows(area(0, 1, flags), true)]),
  ).toMatchInlineSnapshot(`
    [
      [
        false,
        false,
      ],
      [
        true,
        false,
      ],
      [
        true,
        true,
      ],
      [
        true,
        true,
      ],
      [
        false,
        false,
      ],
    ]
  `);
});

test('any sequence of changes leaves what a page by page model has', () => {
  const random = new Prng(4);
  const mm = new MmStruct(1, 't');
  const pages = new Array<number>(64).fill(0);
  for (let step = 0; step < 3000; step++) {
    const start = random.below(64);
    const end = start + 1 + random.below(64 - start);
    const flags = random.pick([0, PROT_READ, PROT_READ | PROT_WRITE]);
    mm.replace(start, end, flags === 0 ? [] : [area(start, end, flags)]);
    pages.fill(flags, start, end);
    expect(pages.map((_, vpn) => mm.find(vpn)?.flags ?? 0)).toEqual(pages);
    const edges = pages.filter((flags, vpn) => flags !== 0 && flags !== (pages[vpn - 1] ?? 0));
    expect(mm.vmas.length).toBe(edges.length);
  }
});

test('memory that was touched on its own does not merge with touched memory beside it', () => {
  const mm = new MmStruct(1, 't');
  const touch = (vpn: number): unknown => {
    const vma = mm.find(vpn);
    return vma === null ? null : mm.prepareAnonVma(vma);
  };
  mm.replace(0, 4, [area(0, 4)]);
  mm.replace(8, 12, [area(8, 12)]);
  touch(0);
  touch(8);
  mm.replace(4, 8, [area(4, 8)]);
  expect(layout(mm)).toEqual([`0-8 ${RW}`, `8-12 ${RW}`]);
});

test('a first touch borrows from a neighbour that differs in protection only', () => {
  const mm = new MmStruct(1, 't');
  mm.replace(0, 8, [area(0, 8)]);
  mm.replace(4, 8, [area(4, 8, VM_READ)]);
  for (const vma of mm.vmas) mm.prepareAnonVma(vma);
  mm.replace(
    4,
    8,
    mm.within(4, 8).map((vma) => ({ ...vma, flags: RW })),
  );
  expect(layout(mm)).toEqual([`0-8 ${RW}`]);
});

test('special areas stay as they were cut', () => {
  const mm = new MmStruct(1, 't');
  mm.replace(0, 4, [area(0, 4, RW | VM_DONTEXPAND)]);
  mm.replace(4, 8, [area(4, 8, RW | VM_DONTEXPAND)]);
  expect(layout(mm).length).toBe(2);
});

test('parts of a file merge if their private pages follow each other, too', () => {
  const file = new AddressSpace(1, 'shmem', 'f', 8 * 4096);
  const areasOf = (flags: number, anonPgoff: number): number => {
    const mm = new MmStruct(1, 't');
    const whole = { ...area(100, 108, RW | VM_MAYWRITE | flags), pgoff: 0, file };
    mm.replace(100, 104, [{ ...clipVma(whole, 100, 104), anonPgoff }]);
    mm.replace(104, 108, [clipVma(whole, 104, 108)]);
    return mm.vmas.length;
  };
  expect({
    'private, made here': areasOf(0, 100),
    'private, made elsewhere': areasOf(0, 50),
    'shared, made elsewhere': areasOf(VM_SHARED, 50),
  }).toEqual({
    'private, made here': 1,
    'private, made elsewhere': 2,
    'shared, made elsewhere': 1,
  });
});
