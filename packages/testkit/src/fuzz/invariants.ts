import {
  assert,
  GRANT_LRU,
  GRANT_WRITE,
  isMigrationType,
  type Machine,
  type MmStruct,
  PG_anon,
  PG_anon_exclusive,
  PG_batched,
  PG_hugetlb,
  PG_hwpoison,
  PG_isolated,
  PG_locked,
  PG_lru,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_SWP_EXCLUSIVE,
  PTE_TYPE_SWAP,
  PTE_WRITE,
  pteMapsPage,
  pteType,
  VM_READ,
  VM_WRITE,
} from '@mm-lab/mm-core';

/**
 * Invariants that `machine.verify()` leaves out because they are not about bookkeeping but about
 * what mappings may mean: copy-on-write, fences, poison and LRU membership.
 * @param isOpened pages behind a fence that their service opened for stores; default none
 * @throws AssertionError that names the broken one
 */
export function auditMachine(machine: Machine, isOpened: OpenedPages = noPage): void {
  for (const mm of machine.mms.all()) {
    auditVmas(mm);
    auditClosed(machine, mm);
    machine.ptes.walk(mm.id, 0, Infinity, (slot) => auditEntry(machine, slot, isOpened));
  }
  machine.verify();
}

/** Did the service of a fenced page let programs store to it? */
export type OpenedPages = (pfn: number) => boolean;

const noPage: OpenedPages = () => false;

function auditVmas(mm: MmStruct): void {
  let end = 0;
  for (const vma of mm.vmas) {
    assert(vma.start < vma.end, `mm ${mm.id}: the area at ${vma.start} is not empty`);
    assert(vma.start >= end, `mm ${mm.id}: the area at ${vma.start} overlaps none before it`);
    end = vma.end;
  }
}

/** What mprotect closed to loads and stores stays closed, whatever the kernel does to its pages. */
function auditClosed({ ptes }: Machine, mm: MmStruct): void {
  for (const vma of mm.vmas) {
    if ((vma.flags & (VM_READ | VM_WRITE)) !== 0) continue;
    ptes.walk(mm.id, vma.start, vma.end, (slot, vpn) => {
      assert((ptes.bits[slot]! & PTE_PRESENT) === 0, `page ${vpn} of a closed area is closed`);
    });
  }
}

function auditEntry(machine: Machine, slot: number, isOpened: OpenedPages): void {
  const bits = machine.ptes.bits[slot]!;
  if (pteMapsPage(bits)) {
    if ((bits & PTE_SPECIAL) === 0) auditMapping(machine, slot, bits, isOpened);
    return;
  }
  const value = machine.ptes.value[slot]!;
  const type = pteType(bits);
  if (type === PTE_TYPE_SWAP && (bits & PTE_SWP_EXCLUSIVE) !== 0) {
    assert(machine.swap.entryCount(value) === 1, `exclusive swap slot ${value} has one entry`);
  }
  if (isMigrationType(type)) {
    assert(machine.migrate.completionOf(value) >= 0, `a migration entry of ${value} will end`);
  }
}

function auditMapping(machine: Machine, slot: number, bits: number, isOpened: OpenedPages): void {
  const { table, ptes, rmap, managed } = machine;
  const pfn = ptes.value[slot]!;
  const folio = table.head(pfn);
  assert(!table.has(pfn, PG_hwpoison), `poisoned page ${pfn} is mapped nowhere`);
  const anon = table.has(folio, PG_anon);
  const inPool = table.has(folio, PG_hugetlb);
  const known = anon || inPool || machine.pageCache.has(folio);
  assert(known, `mapped folio ${folio} is anonymous or a file's`);
  const exclusive = table.has(pfn, PG_anon_exclusive);
  const writable = (bits & PTE_WRITE) !== 0;
  assert(!exclusive || rmap.count(pfn) === 1, `exclusive page ${pfn} has one mapping`);
  assert(!writable || exclusive || !anon, `writable page ${pfn} is exclusive`);
  const owner = managed.ownerOf(folio);
  const fenced = owner !== null && !owner.allows(GRANT_WRITE);
  assert(!fenced || !writable || isOpened(pfn), `fenced page ${pfn} is not writable`);
  const onLru = inPool || table.has(folio, PG_lru | PG_batched | PG_isolated);
  const noLru = owner !== null && !owner.allows(GRANT_LRU);
  assert(onLru || noLru, `mapped folio ${folio} is on an LRU list or on its way`);
  const locked = table.has(folio, PG_locked);
  assert(!locked || machine.migrate.completionOf(folio) >= 0, `folio ${folio} is unlocked again`);
}
