import {
  VM_DROPPABLE,
  VM_HUGETLB,
  VM_MAYSHARE,
  VM_MERGEABLE,
  VM_SHARED,
  VM_SPECIAL,
} from '../abi/mman.js';
import type { MmStruct } from './vma.js';

const VM_NOT_MERGEABLE = VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE;

/** May pages of an area be merged at all (mm/ksm.c:ksm_compatible)? */
export function isKsmCompatible(flags: number): boolean {
  return (flags & VM_NOT_MERGEABLE) === 0;
}

/** Flags of a new area: mergeable if the program wants that of all of them (ksm_vma_flags). */
export function ksmVmaFlags(mm: MmStruct, flags: number): number {
  return mm.ksmMergeAny && isKsmCompatible(flags) ? flags | VM_MERGEABLE : flags;
}
