import { VM_SOFTDIRTY } from '../abi/mman.js';
import { PTE_SOFT_DIRTY, PTE_UFFD_WP } from '../abi/pte.js';
import type { Vma } from './vma.js';

/**
 * Must the first store through the entry be seen, so that the entry may not become writable before
 * it? In an area that clear_refs has been over, entries without the soft-dirty bit; anywhere,
 * entries that a userfaultfd protects (mm/internal.h:pte_needs_soft_dirty_wp,
 * userfaultfd_pte_wp).
 */
export function mustSeeStore(vma: Vma, bits: number): boolean {
  if ((bits & PTE_UFFD_WP) !== 0) return true;
  return (vma.flags & VM_SOFTDIRTY) === 0 && (bits & PTE_SOFT_DIRTY) === 0;
}
