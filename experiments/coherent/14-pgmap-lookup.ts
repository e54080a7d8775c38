/**
 * Row 14: if private nodes were page maps, a node may have many of them, and an operation has to
 * find the one that a page is in. The pages are those that a driver with 1, 8 and 300 chunks on its
 * node really migrates, in that order; each way of finding the owner is walked for every one.
 */
import { MEMORY_DEVICE_PRIVATE, testHmm } from '@mm-lab/backend-zone-device';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { createMachine, Prng } from '@mm-lab/mm-core';
import { DEVICE, DRAM } from './kit.ts';

const PAGES = 9600;
const RANGES = [1, 8, 300] as const;
/** Where a driver finds a hole for 256 MiB chunks: the top of 46 bits of physical address. */
const TOP_PFN = 2 ** 34;
/** Bits of an index that one node of an xarray tells apart (XA_CHUNK_SHIFT). */
const CHUNK_SHIFT = 6;

/** A range of pages with its owner. */
interface Range {
  readonly base: number;
  readonly pages: number;
}

/** Device pages that were migrated, in order, and the ranges of the node. */
function migrated(ranges: number): { readonly order: number[]; readonly chunks: Range[] } {
  const chunkPages = Math.ceil(PAGES / ranges);
  const driver = testHmm({ units: [{ type: MEMORY_DEVICE_PRIVATE, nid: DEVICE }], chunkPages });
  const machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: DRAM, pages: 32_768, cpus: 1 },
        { id: DEVICE, pages: ranges * chunkPages, online: false },
      ],
    },
    [driver],
  );
  const task = machine.createTask('program');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  const order: number[] = [];
  const isDevice = (pfn: number): boolean => machine.nodes.nidOf(pfn) === DEVICE;
  machine.tracepoints.mm_migrate_folio.on((_now, from, to) => {
    order.push(isDevice(from) ? from : to);
  });
  machine.work.runAs(task.struct);
  driver.open(0, task.mm).migrateToDevice(0, PAGES);
  machine.spend();
  const random = new Prng(1);
  for (let at = 0; at < PAGES; at++) task.read(random.below(PAGES));
  const chunks = driver.device(0).chunks.map(({ pagemap: { base, pages } }) => ({ base, pages }));
  machine.verify();
  return { order, chunks };
}

/** Steps of a walk over the node's list of ranges. */
function listSteps(chunks: readonly Range[], pfn: number): number {
  return 1 + chunks.findIndex(({ base, pages }) => pfn >= base && pfn < base + pages);
}

/** The same list behind a look at the range that was found last. */
function cachedSteps(chunks: readonly Range[], order: readonly number[]): number {
  let last: Range | undefined;
  let steps = 0;
  for (const pfn of order) {
    steps++;
    if (last !== undefined && pfn >= last.base && pfn < last.base + last.pages) continue;
    const at = listSteps(chunks, pfn);
    steps += at;
    last = chunks[at - 1];
  }
  return steps;
}

/** A radix tree of ranges as get_dev_pagemap walks one: ranges lie in whole slots of its nodes. */
class RangeTree {
  private readonly slots = new Map<string, boolean>();
  private shiftMax = 0;

  /** Puts a range in as few aligned pieces as it takes (xa_store_range). */
  store({ base, pages }: Range): void {
    for (let at = base; at < base + pages; ) {
      let shift = 0;
      while (fits(at, base + pages, shift + CHUNK_SHIFT)) shift += CHUNK_SHIFT;
      this.slots.set(`${shift}:${Math.floor(at / 2 ** shift)}`, true);
      while (base + pages > 2 ** (this.shiftMax + CHUNK_SHIFT)) this.shiftMax += CHUNK_SHIFT;
      at += 2 ** shift;
    }
  }

  /** Nodes visited to find the range of a page (xas_load). */
  steps(pfn: number): number {
    let steps = 0;
    for (let shift = this.shiftMax; shift >= 0; shift -= CHUNK_SHIFT) {
      steps++;
      if (this.slots.has(`${shift}:${Math.floor(pfn / 2 ** shift)}`)) return steps;
    }
    throw new Error('a migrated page is in a range');
  }
}

function fits(at: number, end: number, shift: number): boolean {
  return at % 2 ** shift === 0 && at + 2 ** shift <= end;
}

function row(ranges: number): readonly number[] {
  const { order, chunks } = migrated(ranges);
  // In a real machine each chunk has 256 MiB; the model's are smaller, so they are spread out.
  const CHUNK = 65_536;
  const tree = new RangeTree();
  chunks.forEach((_, at) => {
    tree.store({ base: TOP_PFN - (at + 1) * CHUNK, pages: CHUNK });
  });
  const spread = (pfn: number): number => {
    const at = listSteps(chunks, pfn) - 1;
    return TOP_PFN - (at + 1) * CHUNK + (pfn - (chunks[at]?.base ?? 0));
  };
  const mean = (steps: number): number => Math.round((100 * steps) / order.length) / 100;
  return [
    chunks.length,
    order.length,
    mean(order.reduce((sum, pfn) => sum + listSteps(chunks, pfn), 0)),
    mean(cachedSteps(chunks, order)),
    mean(order.reduce((sum, pfn) => sum + tree.steps(spread(pfn)), 0)),
  ];
}

function probe(): Figures {
  const rows = RANGES.map(row);
  const values: Record<string, number> = {};
  for (const [ranges = 0, , list = 0, cached = 0, tree = 0] of rows) {
    values[`list.${ranges}`] = list;
    values[`cached.${ranges}`] = cached;
    values[`xarray.${ranges}`] = tree;
  }
  return {
    values,
    tables: [
      {
        name: 'lookup',
        title: `Steps to find who owns a page, mean over every migration of ${PAGES} pages`,
        columns: [
          'ranges on the node',
          'lookups',
          'list of the node',
          'list, last range first',
          'xarray by pfn',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does it cost to find the owner of a page when a node has many ranges?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A list costs in proportion to the ranges; the last range remembered is no cure.',
      holds: (results) =>
        results.figure('list.300') > 100 &&
        results.figure('cached.300') > results.figure('cached.8'),
    },
    {
      text: 'A tree costs the same for 300 ranges as for one, and more than a word of the folio.',
      holds: (results) =>
        results.figure('xarray.300') === results.figure('xarray.1') &&
        results.figure('xarray.1') > 1,
    },
    {
      text: 'With 8 ranges a list that remembers the last one is shorter than the tree.',
      holds: (results) => {
        const [cached, tree] = [results.figure('cached.8'), results.figure('xarray.8')];
        return cached > 1 && cached < tree;
      },
    },
  ],
});
