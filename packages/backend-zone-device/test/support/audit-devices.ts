import {
  assert,
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
  assert(splits % 512 === 0, 'each page of a split is told once, and the end');
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
    assert((marks & PG_lru) === 0, 'on no LRU list');
    assert((marks & PG_buddy) === 0, 'in no buddy list');
    assert((marks & PG_pinned) === 0, 'not pinned');
    assert(device.freeCount() + used === pages, 'free and used pages are all');
    assert(device.allocated - device.freed === used, 'the page map counts what is used');
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
  let entries = 0;
  for (const entry of src) if ((entry & MIGRATE_PFN_MIGRATE) !== 0) entries++;
  assert(cpages === entries, 'setup counts entries');
}

function auditEntries({ ptes }: Machine, mm: MmStruct, handles: readonly Dmirror[]): void {
  const hidden = handles
    .filter(({ device }) => device.isPrivate())
    .flatMap(({ device }) => device.chunks.map(({ pagemap }) => pagemap));
  const isHidden = (pfn: number): boolean => {
    for (const { base, pages } of hidden) if (pfn >= base && pfn < base + pages) return true;
    return false;
  };
  let standing = 0;
  let reachable = 0;
  ptes.walk(mm.id, 0, Infinity, (slot) => {
    const bits = ptes.bits[slot]!;
    if (!pteHoldsPage(bits) && isMigrationType(pteType(bits))) standing++;
    if (pteMapsPage(bits) && isHidden(ptes.value[slot]!)) reachable++;
  });
  assert(standing === 0, 'no migration entry stands between steps');
  assert(reachable === 0, 'no present entry of private memory');
}
