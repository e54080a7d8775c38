/**
 * V1 and V2 of the validation ladder (cost model specification, 2.3), against the sources named S29
 * there: batched migration, and move_pages by folio size.
 */
import {
  createMachine,
  GFP_HIGHUSER_MOVABLE,
  type Machine,
  MIGRATE_SYNC,
  MR_SYSCALL,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  VM_HUGEPAGE,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';

const FROM = 0;
const TO = 1;

function machineOf(pages: number, thpOrder: number): Machine {
  const nodes = [FROM, TO].map((id) => ({ id, pages: 2 * pages + 2048, cpus: 1 }));
  return createMachine({ seed: 1, nodes, sysctl: { thp_order: thpOrder } }, []);
}

/** A task with all of its folios, of one order, on the first node. @returns their first pages */
function filled(machine: Machine, pages: number, order: number): readonly number[] {
  const task = machine.createTask('t', FROM);
  task.mmap(0, pages, PROT_READ | PROT_WRITE, VM_HUGEPAGE);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  machine.spend();
  const folios = new Set<number>();
  for (let vpn = 0; vpn < pages; vpn++) {
    const pfn = machine.ptes.value[machine.ptes.find(task.mm.id, vpn)] ?? -1;
    folios.add(machine.table.head(pfn));
  }
  expect(folios.size, 'every folio has the order').toBe(pages >> order);
  return [...folios];
}

/** Moves folios in lists of `batch`. @returns simulated ns */
function move(machine: Machine, folios: readonly number[], batch: number): number {
  const { migrate, work, table, pageAlloc } = machine;
  work.take();
  for (let at = 0; at < folios.length; at += batch) {
    const list = folios.slice(at, at + batch);
    for (const folio of list) machine.folios.isolateLru(folio);
    migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_SYSCALL,
      newFolio: (src) => {
        const order = table.order[src] ?? 0;
        return pageAlloc.alloc({ gfp: GFP_HIGHUSER_MOVABLE, order, nid: TO, nodemask: null });
      },
    });
    expect(list).toEqual([]);
  }
  return work.take();
}

test('V1: batches of 512 save 99.1 % of the shootdowns and move 3.917 times the pages', () => {
  const pages = 2048;
  const one = machineOf(pages, 0);
  const oneNs = move(one, filled(one, pages, 0), 1);
  const batched = machineOf(pages, 0);
  const batchedNs = move(batched, filled(batched, pages, 0), 512);
  const { migratePage } = one.cost.ns;
  const flushes = (ns: number): number => (ns - pages * migratePage) / one.cost.tlbFlushNs(1);
  expect(flushes(oneNs)).toBeCloseTo(pages, 3);
  const saved = 100 * (1 - flushes(batchedNs) / flushes(oneNs));
  expect(Math.abs(saved - 99.1), 'within 1 point').toBeLessThan(1);
  expect(Math.abs(oneNs / batchedNs / 3.917 - 1), 'within 2 %').toBeLessThan(0.02);
});

describe('V2: move_pages by folio size, GB/s within 20 % of those measured', () => {
  test.each([
    ['4 KiB', 0, 3.31],
    ['16 KiB', 2, 5.61],
    ['64 KiB', 4, 6.66],
    ['256 KiB', 6, 7.01],
    ['1 MiB', 8, 7.13],
    ['2 MiB', 9, 11.02],
  ])('%s', (_, order, measured) => {
    const pages = 2048;
    const machine = machineOf(pages, order);
    const folios = filled(machine, pages, order);
    const modelled = (pages * PAGE_SIZE) / move(machine, folios, 512);
    expect(Math.abs(modelled / measured - 1), `${modelled.toFixed(2)} GB/s`).toBeLessThan(0.2);
  });
});
