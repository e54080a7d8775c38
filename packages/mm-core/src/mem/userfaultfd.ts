import { VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP } from '../abi/mman.js';
import { isMarker, PTE_MARKER_UFFD_WP, PTE_UFFD_WP } from '../abi/pte.js';
import {
  UFFD_EVENT_FORK,
  type UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_UNPOPULATED,
} from '../abi/userfaultfd.js';
import { VM_FAULT_SIGBUS } from '../abi/vm-fault.js';
import type { VmFault } from '../hooks/vm-fault.js';
import type { MmStruct, Vma } from './vma.js';

/** What is read from a userfaultfd (struct uffd_msg); addresses are virtual pages. */
export type UffdMsg =
  | {
      readonly event: typeof UFFD_EVENT_PAGEFAULT;
      /** UFFD_PAGEFAULT_FLAG_* */
      readonly flags: number;
      readonly vpn: number;
    }
  | UffdEvent;

/** Those of its messages that are told only to who asked for them. */
export type UffdEvent =
  | {
      readonly event: typeof UFFD_EVENT_FORK;
      /** The userfaultfd of the child. */
      readonly ufd: UserfaultfdCtx;
    }
  | {
      readonly event: typeof UFFD_EVENT_REMAP;
      readonly from: number;
      readonly to: number;
      readonly pages: number;
    }
  | {
      readonly event: typeof UFFD_EVENT_REMOVE | typeof UFFD_EVENT_UNMAP;
      readonly start: number;
      readonly end: number;
    };

/** Who reads a userfaultfd and acts on what it says: a thread or process of the program. */
export interface UffdReader {
  /** The faulting task sleeps until the page is there. @returns VM_FAULT_* bits */
  fault(vmf: VmFault, reason: number): number;
  /** The one who did it sleeps until the message was read. */
  event(msg: UffdMsg): void;
}

/** What areas that a program watches itself are registered with (struct userfaultfd_ctx). */
export class UserfaultfdCtx {
  /** Descriptors that name it. */
  users = 1;
  /** UFFD_FEATURE_* that its user asked for; null before UFFDIO_API, without which nothing goes. */
  features: number | null = null;
  /** Who reads it. Simplified: if nobody does, events are lost, where the kernel's caller waits. */
  reader: UffdReader | null = null;

  constructor(
    /** The address space that it was made in; another process with the descriptor acts on it. */
    readonly mm: MmStruct,
  ) {}

  /** One like it for the child of a fork; whoever reads this one gets its descriptor. */
  twinFor(child: MmStruct): UserfaultfdCtx {
    const twin = new UserfaultfdCtx(child);
    twin.features = this.features;
    return twin;
  }
}

export const VM_UFFD_MASK = VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR;

/** Does its user want to be told of it? @param feature UFFD_FEATURE_* */
export function hasUffdFeature(ctx: UserfaultfdCtx | null, feature: number): boolean {
  return ((ctx?.features ?? 0) & feature) !== 0;
}

/** Whoever reads it is told, if its user asked for that, and has acted when this returns. */
export function tellUffd(ctx: UserfaultfdCtx | null, event: UffdEvent): void {
  if (hasUffdFeature(ctx, FEATURE_OF_EVENT[event.event])) ctx?.reader?.event(event);
}

const FEATURE_OF_EVENT = {
  [UFFD_EVENT_FORK]: UFFD_FEATURE_EVENT_FORK,
  [UFFD_EVENT_REMAP]: UFFD_FEATURE_EVENT_REMAP,
  [UFFD_EVENT_REMOVE]: UFFD_FEATURE_EVENT_REMOVE,
  [UFFD_EVENT_UNMAP]: UFFD_FEATURE_EVENT_UNMAP,
} as const;

/**
 * A fault that is its user's business (handle_userfault): a signal if the user asked for that, or
 * if nobody reads the userfaultfd. @param reason VM_UFFD_* @returns VM_FAULT_* bits
 */
export function handleUserfault(vmf: VmFault & { readonly vma: Vma }, reason: number): number {
  const ctx = vmf.vma.uffd;
  if (ctx === null || hasUffdFeature(ctx, UFFD_FEATURE_SIGBUS)) return VM_FAULT_SIGBUS;
  return ctx.reader?.fault(vmf, reason) ?? VM_FAULT_SIGBUS;
}

/** Is a fault on a page that is not there its user's business (userfaultfd_missing)? */
export function userfaultfdMissing(vma: Vma): boolean {
  return (vma.flags & VM_UFFD_MISSING) !== 0;
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
