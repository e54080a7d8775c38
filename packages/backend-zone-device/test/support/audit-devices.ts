import {
  isMigrationType,
  type Machine,
  type MmStruct,
  PG_buddy,
  PG_lru,
  PG_pinned,
  pteHoldsPage,
  pteMapsPage,
  pteType,
} from '@mm-lab/mm-core';
import { expect } from 'vitest';
import {
  type Dmirror,
  MIGRATE_PFN_MIGRATE,
  type MigrateVma,
  type MigrateVmaArgs,
} from '../../src/index.js';

/** What is looked at between two steps of a program. */
export interface Audited {
  readonly machine: Machine;
  readonly mms: readonly MmStruct[];
  readonly handles: readonly Dmirror[];
}

/**
 * The invariants of device memory that hold whenever nothing is under way. What a machine asserts
 * of itself comes last, so that a broken one is told in the words of its own check.
 */
export function auditDevices({ machine, mms, handles }: Audited): void {
  const splits = machine.managed.hookCalls().get('folio_split') ?? 0;
  expect(splits % 512, 'each page of a split is told once, and the end').toBe(0);
  for (const mm of mms) auditEntries(machine, mm, handles);
  for (const { device } of handles) {
    let used = 0;
    let pages = 0;
    let marks = 0;
    for (const { pagemap } of device.chunks) {
      used += pagemap.allocated;
      pages += pagemap.pages;
      const end = pagemap.base + pagemap.pages;
      for (const flags of machine.table.flags.subarray(pagemap.base, end)) marks |= flags;
    }
    expect(marks & PG_lru, 'on no LRU list').toBe(0);
    expect(marks & PG_buddy, 'in no buddy list').toBe(0);
    expect(marks & PG_pinned, 'not pinned').toBe(0);
    expect(device.freeCount() + used, 'free and used pages are all').toBe(pages);
    expect(device.allocated - device.freed, 'the page map counts what is used').toBe(used);
  }
  machine.verify();
}

/** Looks at every migration that is set up from now on. */
export function auditSetups(migrateVma: MigrateVma): void {
  const setup = migrateVma.setup.bind(migrateVma);
  migrateVma.setup = (args) => {
    const rc = setup(args);
    if (rc === 0) auditCollected(args);
    return rc;
  };
}

/** What a setup that succeeded says: a huge entry counts once. */
export function auditCollected({ src, cpages }: MigrateVmaArgs): void {
  const entries = src.filter((entry) => (entry & MIGRATE_PFN_MIGRATE) !== 0).length;
  expect(cpages, 'setup counts entries').toBe(entries);
}

function auditEntries({ ptes }: Machine, mm: MmStruct, handles: readonly Dmirror[]): void {
  let standing = 0;
  let reachable = 0;
  ptes.walk(mm.id, 0, Infinity, (slot) => {
    const bits = ptes.bits[slot]!;
    const owner = handles.find(({ device }) => device.owns(ptes.value[slot]!));
    if (!pteHoldsPage(bits) && isMigrationType(pteType(bits))) standing++;
    if (pteMapsPage(bits) && owner?.device.isPrivate() === true) reachable++;
  });
  expect(standing, 'no migration entry stands between steps').toBe(0);
  expect(reachable, 'no present entry of private memory').toBe(0);
}
