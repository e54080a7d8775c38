import { EINVAL } from '../abi/errno.js';
import {
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_UNMERGEABLE,
  MADV_WIPEONFORK,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DROPPABLE,
  VM_HUGEPAGE,
  VM_HUGETLB,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_SPECIAL,
  VM_WIPEONFORK,
} from '../abi/mman.js';
import { isKsmCompatible } from '../mem/ksm-vma.js';
import type { Vma } from '../mem/vma.js';

/** Flags of an area after an advice; a number below 0 in `rc` refuses it. */
export interface AdvisedFlags {
  readonly rc: number;
  readonly flags: number;
}

/**
 * The advices that are flags of an area and nothing else (the second half of
 * mm/madvise.c:madvise_vma_behavior). Null: the advice is none of them.
 */
export function advisedFlags({ flags, file }: Vma, advice: number): AdvisedFlags | null {
  switch (advice) {
    case MADV_NORMAL:
      return ok(flags & ~(VM_RAND_READ | VM_SEQ_READ));
    case MADV_SEQUENTIAL:
      return ok((flags & ~VM_RAND_READ) | VM_SEQ_READ);
    case MADV_RANDOM:
      return ok((flags & ~VM_SEQ_READ) | VM_RAND_READ);
    case MADV_DONTFORK:
      return ok(flags | VM_DONTCOPY);
    case MADV_DOFORK:
      return refusedIf((flags & VM_SPECIAL) !== 0, flags & ~VM_DONTCOPY);
    case MADV_WIPEONFORK:
      return refusedIf(file !== null || (flags & VM_SHARED) !== 0, flags | VM_WIPEONFORK);
    case MADV_KEEPONFORK:
      return refusedIf((flags & VM_DROPPABLE) !== 0, flags & ~VM_WIPEONFORK);
    case MADV_DONTDUMP:
      return ok(flags | VM_DONTDUMP);
    case MADV_DODUMP:
      return refusedIf(mustStayUndumped(flags), flags & ~VM_DONTDUMP);
    case MADV_MERGEABLE:
      return ok(isKsmCompatible(flags) ? flags | VM_MERGEABLE : flags);
    case MADV_UNMERGEABLE:
      return ok(flags & ~VM_MERGEABLE);
    case MADV_HUGEPAGE:
      return ok((flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE);
    case MADV_NOHUGEPAGE:
      return ok((flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE);
    default:
      return null;
  }
}

function mustStayUndumped(flags: number): boolean {
  const isSpecial = (flags & VM_HUGETLB) === 0 && (flags & VM_SPECIAL) !== 0;
  return isSpecial || (flags & VM_DROPPABLE) !== 0;
}

function ok(flags: number): AdvisedFlags {
  return { rc: 0, flags };
}

function refusedIf(isRefused: boolean, flags: number): AdvisedFlags {
  return { rc: isRefused ? -EINVAL : 0, flags };
}
