import { PG_partially_mapped } from '../abi/page-flags.js';
import {
  isMigrationType,
  PTE_ACCESSED,
  PTE_CHECKED,
  PTE_DIRTY,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  PTE_WRITTEN,
  pteHoldsPage,
  pteType,
} from '../abi/pte.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { AssertionError, assert } from '../base/assert.js';
import { LEAF_SHIFT, PMD_HUGE, PMD_NONE } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import type { Machine } from './machine.js';

/** Bits in which the entries of a huge PMD may differ: who used them is kept by page here. */
const BY_PAGE = PTE_ACCESSED | PTE_DIRTY | PTE_SOFT_DIRTY | PTE_CHECKED | PTE_WRITTEN;

/** Every huge PMD is what it says, every missing one has no entries (`Ptes.pmd`). */
export function verifyPmds(machine: Machine, mm: MmStruct): void {
  const { ptes } = machine;
  for (const [region, leaf] of ptes.regions(mm.id)) {
    const first = region * PTRS_PER_PTE;
    if (ptes.pmd[leaf] === PMD_HUGE) verifyHuge(machine, mm, leaf, first);
    if (ptes.pmd[leaf] !== PMD_NONE) continue;
    ptes.walkLeaf(leaf, first, first + PTRS_PER_PTE, (_slot, vpn) => {
      assert(false, `page ${vpn} of mm ${mm.id} has an entry, so its PMD is not empty`);
    });
  }
}

function verifyHuge({ ptes, table }: Machine, mm: MmStruct, leaf: number, first: number): void {
  const vma = mm.find(first);
  const inside = vma !== null && vma.end >= first + PTRS_PER_PTE;
  assert(inside, `huge page ${first} of mm ${mm.id} lies in one vma`);
  const head = leaf << LEAF_SHIFT;
  const bits = ptes.bits[head]!;
  const pfn = ptes.value[head]!;
  const isZero = (bits & PTE_SPECIAL) !== 0;
  const hasPage = pteHoldsPage(bits) || isMigrationType(pteType(bits));
  assert(isZero || hasPage, `huge page ${first} of mm ${mm.id} maps a folio`);
  const whole = isZero || (table.head(pfn) === pfn && table.order[pfn] === PMD_ORDER);
  assert(whole, `huge page ${first} of mm ${mm.id} maps a folio of PMD order whole`);
  for (let at = 0; at < PTRS_PER_PTE; at++) {
    const other = ptes.bits[head | at]!;
    const alike = ((other ^ bits) & ~BY_PAGE) === 0;
    if (!alike) {
      throw new AssertionError(`huge page ${first} of mm ${mm.id}: entry ${at} is as the first`);
    }
    if (!isZero && ptes.value[head | at] !== pfn + at) {
      throw new AssertionError(`huge page ${first} of mm ${mm.id}: entry ${at} has its page`);
    }
  }
}

/** A folio that waits to be split is on the queue, and large. */
export function verifyDeferredSplit({ table, deferredSplit }: Machine, folio: number): void {
  if (!table.has(folio, PG_partially_mapped)) return;
  assert(table.order[folio]! > 1, `folio ${folio} that is partly mapped is large`);
  assert(deferredSplit.has(folio), `folio ${folio} that is partly mapped waits to be split`);
}
