import { VM_READ, VM_SHARED, VM_UFFD_WP, VM_WRITE } from '../abi/mman.js';
import { PTE_PRESENT, PTE_PROTNONE } from '../abi/pte.js';
import { mustSeeStore } from './soft-dirty.js';
import type { Vma } from './vma.js';

const SHARED_WRITE = VM_SHARED | VM_WRITE;

/**
 * Are the pages of the area open to loads (vma_is_accessible)? Execution alone closes them by a
 * protection key; simplified: their entries are like those of PROT_NONE.
 */
export function isAccessible(vma: Vma): boolean {
  return (vma.flags & (VM_READ | VM_WRITE)) !== 0;
}

/** How an entry of the area says that it maps a page: open to loads, or closed (vm_page_prot). */
export function presenceIn(vma: Vma): number {
  return isAccessible(vma) ? PTE_PRESENT : PTE_PROTNONE;
}

/**
 * Is a page of the area writable as soon as it is mapped (vm_page_prot)? Only those of shared
 * memory, whose first store nobody has to notice (vma_wants_writenotify).
 */
export function pageProtWrites(vma: Vma): boolean {
  if ((vma.flags & SHARED_WRITE) !== SHARED_WRITE || (vma.flags & VM_UFFD_WP) !== 0) return false;
  return vma.file?.needsWriteback !== true && !mustSeeStore(vma, 0);
}
