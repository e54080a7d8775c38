/**
 * @hot The access loop: like a CPU, it runs over the rows of a trace until one must trap.
 */
import {
  PTE_ACCESSED,
  PTE_CHECKED,
  PTE_DIRTY,
  PTE_NODE_MASK,
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
/** What of an entry says whether a load needs help, or is away from home. */
const READ_OR_AWAY = READ_HIT | PTE_NODE_MASK;

/**
 * Runs rows [from, to) of a trace over page-table entries, setting accessed bits. Stops at the
 * first row that must trap. What a row stands for is added up for rows away from the home node
 * only: the others are the rest of the rows' known sum, so most rows need not read `n` at all.
 *
 * @param ref per row (slot << 1) | isWrite, slots relative to `slotBase`
 * @param n accesses per row
 * @param bits the entries
 * @param home node id that most pages are on
 * @param awayByNode adds up accesses per node id, but for the home node; whoever calls bounds the
 *   sum to an int32
 * @returns the row that traps, or `to`
 */
export function runHits(
  ref: Int32Array,
  n: Int32Array,
  bits: Int32Array,
  slotBase: number,
  home: number,
  awayByNode: Int32Array,
  from: number,
  to: number,
): number {
  const wanted = (home << PTE_NODE_SHIFT) | READ_HIT | WRITE_HIT;
  let row = from;
  while (row < to) {
    // Four rows at a time, as long as all hit at home: their loads overlap. The size of this loop
    // also keeps V8 from inlining the function into callers that it compiles less well.
    for (const end = to - 3; row < end; row += 4) {
      const access0 = ref[row]!;
      const access1 = ref[row + 1]!;
      const access2 = ref[row + 2]!;
      const access3 = ref[row + 3]!;
      const slot0 = slotBase + (access0 >> 1);
      const slot1 = slotBase + (access1 >> 1);
      const slot2 = slotBase + (access2 >> 1);
      const slot3 = slotBase + (access3 >> 1);
      const entry0 = bits[slot0]!;
      const entry1 = bits[slot1]!;
      const entry2 = bits[slot2]!;
      const entry3 = bits[slot3]!;
      const missing =
        missingOf(access0, entry0 ^ wanted) |
        missingOf(access1, entry1 ^ wanted) |
        missingOf(access2, entry2 ^ wanted) |
        missingOf(access3, entry3 ^ wanted);
      if (missing !== 0) break;
      bits[slot0] = entry0 | PTE_ACCESSED;
      bits[slot1] = entry1 | PTE_ACCESSED;
      bits[slot2] = entry2 | PTE_ACCESSED;
      bits[slot3] = entry3 | PTE_ACCESSED;
    }
    for (const end = Math.min(to, row + 4); row < end; row++) {
      const access = ref[row]!;
      const slot = slotBase + (access >> 1);
      const entry = bits[slot]!;
      const away = missingOf(access, entry ^ wanted);
      if ((away & ~PTE_NODE_MASK) !== 0) return row;
      if (away !== 0) awayByNode[entry >>> PTE_NODE_SHIFT]! += n[row]!;
      bits[slot] = entry | PTE_ACCESSED;
    }
  }
  return row;
}

/**
 * Bits that an access needs and the entry has not, and those in which its node is not home, of the
 * bits in which the entry is not the wanted one.
 */
function missingOf(access: number, differing: number): number {
  return differing & (READ_OR_AWAY ^ (-(access & 1) & READ_OR_WRITE));
}
