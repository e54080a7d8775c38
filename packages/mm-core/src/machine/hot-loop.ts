/**
 * @hot The access loop: like a CPU, it runs over the rows of a trace until one must trap.
 */
import {
  PTE_ACCESSED,
  PTE_CHECKED,
  PTE_DIRTY,
  PTE_NODE_SHIFT,
  PTE_PRESENT,
  PTE_WRITE,
  PTE_WRITTEN,
} from '../abi/pte.js';

/** A load needs no help: present, and the contents were checked since the entry was set. */
export const READ_HIT = PTE_PRESENT | PTE_CHECKED;
/**
 * A store needs no help: writable, dirty, and the contents have had a fresh identity since the
 * entry was set.
 */
export const WRITE_HIT = PTE_PRESENT | PTE_WRITE | PTE_DIRTY | PTE_WRITTEN;

/** Turns one into the other: which kind an access is cannot be predicted, so no branch asks. */
const READ_OR_WRITE = READ_HIT ^ WRITE_HIT;

/**
 * Runs rows [from, to) of a trace over page-table entries, setting accessed bits and adding each
 * row's accesses to its node. Stops at the first row that must trap.
 *
 * @param ref per row (slot << 1) | isWrite, slots relative to `slotBase`
 * @param n accesses per row
 * @param bits the entries
 * @param accessesByNode adds up accesses per node id; whoever calls bounds the sum, as int32 is
 *   what keeps the chain from one row's sum to the next short
 * @param lastRow per value of `ref`, the row of its last access: when a page was last stored to
 * @returns the row that traps, or `to`
 */
export function runHits(
  ref: Int32Array,
  n: Int32Array,
  bits: Int32Array,
  slotBase: number,
  accessesByNode: Int32Array,
  lastRow: Int32Array,
  from: number,
  to: number,
): number {
  for (let row = from; row < to; row++) {
    const access = ref[row]!;
    const slot = slotBase + (access >> 1);
    const entry = bits[slot]!;
    const need = READ_HIT ^ (-(access & 1) & READ_OR_WRITE);
    if ((entry & need) !== need) return row;
    bits[slot] = entry | PTE_ACCESSED;
    accessesByNode[entry >>> PTE_NODE_SHIFT]! += n[row]!;
    lastRow[access] = row;
  }
  return to;
}
