import {
  VM_EXEC,
  VM_MAYBE_GUARD,
  VM_MAYWRITE,
  VM_READ,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_SPECIAL,
  VM_WRITE,
} from '../abi/mman.js';
import { AnonVma, anonVmasAgree } from './anon-vma.js';
import { samePolicy } from './policy.js';
import type { Vma } from './vma.js';

/** Flags that do not keep areas apart and that the merged area has if any part had them. */
const VM_STICKY = VM_SOFTDIRTY | VM_MAYBE_GUARD;

/**
 * Two areas that touch, as one, or null if they must stay apart (mm/vma.c:is_mergeable_vma,
 * can_vma_merge_before). Special areas stay as they were cut, and those of the hugetlb pool are
 * some. Simplified: no vm_ops->close, no anonymous names.
 */
export function mergedVma(low: Vma, high: Vma): Vma | null {
  if (((low.flags | high.flags) & VM_SPECIAL) !== 0) return null;
  if (low.end !== high.start || !areAlike(low, high, VM_STICKY)) return null;
  if (!anonVmasAgree(low.anonVma, high.anonVma)) return null;
  const flags = low.flags | (high.flags & VM_STICKY);
  return { ...low, end: high.end, flags, anonVma: low.anonVma ?? high.anonVma };
}

/**
 * The anon_vma that a first fault in `vma` shall use: a neighbour's with which it could merge but
 * for its protection, so that they can still merge later; else a new one
 * (mm/vma.c:find_mergeable_anon_vma).
 */
export function anonVmaFor(vma: Vma, before: Vma | undefined, after: Vma | undefined): AnonVma {
  const ignored = VM_STICKY | VM_READ | VM_WRITE | VM_EXEC;
  if (after !== undefined && vma.end === after.start && areAlike(vma, after, ignored)) {
    if (after.anonVma?.isForked === false) return after.anonVma;
  }
  if (before !== undefined && before.end === vma.start && areAlike(before, vma, ignored)) {
    if (before.anonVma?.isForked === false) return before.anonVma;
  }
  return new AnonVma(false);
}

function areAlike(low: Vma, high: Vma, ignoredFlags: number): boolean {
  if (((low.flags ^ high.flags) & ~ignoredFlags) !== 0) return false;
  if (low.file !== high.file || low.ra !== high.ra || low.uffd !== high.uffd) return false;
  const pages = low.end - low.start;
  if (low.pgoff + pages !== high.pgoff) return false;
  if (mayHoldPrivate(low) && low.anonPgoff + pages !== high.anonPgoff) return false;
  return samePolicy(low.policy, high.policy);
}

/** May private pages stand in for those of a file (needs_adjacent_anon_pgoff)? */
function mayHoldPrivate({ file, flags }: Vma): boolean {
  return file !== null && (flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
}
