import { VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP } from '../abi/mman.js';
import { isMarker, PTE_MARKER_UFFD_WP, PTE_UFFD_WP } from '../abi/pte.js';
import { UFFD_FEATURE_WP_ASYNC, UFFD_FEATURE_WP_UNPOPULATED } from '../abi/userfaultfd.js';
import type { MmStruct, Vma } from './vma.js';

/** What areas that a program watches itself are registered with (struct userfaultfd_ctx). */
export class UserfaultfdCtx {
  /** Descriptors that name it. */
  users = 1;
  /** UFFD_FEATURE_* that its user asked for; null before UFFDIO_API, without which nothing goes. */
  features: number | null = null;

  constructor(
    /** The address space that it was made in; another process with the descriptor acts on it. */
    readonly mm: MmStruct,
  ) {}
}

export const VM_UFFD_MASK = VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR;

/** Is a fault on a page that is not there its user's business (userfaultfd_missing)? */
export function userfaultfdMissing(vma: Vma): boolean {
  return (vma.flags & VM_UFFD_MISSING) !== 0;
}

/** Is it where a page of the file stands that is not mapped yet (userfaultfd_minor)? */
export function userfaultfdMinor(vma: Vma): boolean {
  return (vma.flags & VM_UFFD_MINOR) !== 0;
}

/** May pages of the area be write-protected (userfaultfd_wp)? */
export function userfaultfdWp(vma: Vma): boolean {
  return (vma.flags & VM_UFFD_WP) !== 0;
}

/** Is a store through the entry its user's business (userfaultfd_pte_wp)? */
export function userfaultfdPteWp(vma: Vma, bits: number): boolean {
  return userfaultfdWp(vma) && (bits & PTE_UFFD_WP) !== 0;
}

/** Does the kernel lift the protection itself (userfaultfd_wp_async)? */
export function userfaultfdWpAsync({ uffd }: Vma): boolean {
  return ((uffd?.features ?? 0) & UFFD_FEATURE_WP_ASYNC) !== 0;
}

/** Do holes get markers when they are protected (userfaultfd_wp_use_markers)? */
export function userfaultfdUsesMarkers(vma: Vma): boolean {
  if (!userfaultfdWp(vma)) return false;
  if (vma.file !== null) return true;
  const wanted = UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC;
  return ((vma.uffd?.features ?? 0) & wanted) !== 0;
}

/** Is the entry a hole that is write-protected (pte_marker_uffd_wp)? */
export function isUffdWpMarker(bits: number, value: number): boolean {
  return isMarker(bits, value, PTE_MARKER_UFFD_WP);
}

/**
 * Bits of an entry that a fault puts in the place of `old`: a page in a protected hole is protected
 * itself (vmf_orig_pte_uffd_wp).
 */
export function withOldProtection(bits: number, writeBit: number, wasMarker: boolean): number {
  return wasMarker ? (bits & ~writeBit) | PTE_UFFD_WP : bits;
}
