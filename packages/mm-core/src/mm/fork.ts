import { EBUSY, ENOMEM } from '../abi/errno.js';
import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import {
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYBE_GUARD,
  VM_MAYWRITE,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
} from '../abi/mman.js';
import { PG_anon, PG_anon_exclusive, PG_pinned, PG_swapbacked } from '../abi/page-flags.js';
import {
  isMigrationType,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_MARKER_UFFD_WP,
  PTE_MKDIRTY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  PTE_TRACKING,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_MARKER,
  PTE_TYPE_MIGRATION_READ,
  PTE_TYPE_SHIFT,
  PTE_TYPE_SWAP,
  PTE_UFFD_WP,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  PTE_WRITTEN,
  pteMapsNormalPage,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { UFFD_EVENT_FORK, UFFD_FEATURE_EVENT_FORK } from '../abi/userfaultfd.js';
import { createToken, inject, injectable } from '../base/di.js';
import { AnonVma } from '../mem/anon-vma.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';
import {
  hasUffdFeature,
  tellUffd,
  type UserfaultfdCtx,
  userfaultfdWp,
  VM_UFFD_MASK,
} from '../mem/userfaultfd.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Ksm, KsmToken } from './ksm.js';
import { type Mapping, MappingToken } from './mapping.js';
import {
  MMU_NOTIFY_PROTECTION_PAGE,
  type MmuNotifiers,
  MmuNotifiersToken,
} from './mmu-notifier.js';
import { type Pmds, PmdsToken } from './pmd.js';
import { type Swap, SwapToken } from './swap.js';
import { type VmLimits, VmLimitsToken } from './vm-limits.js';
import { type Work, WorkToken } from './work.js';

/** Entry of the parent and of the child. */
interface SlotPair {
  readonly from: number;
  readonly to: number;
}

/** What is copied for whom. */
interface Copy {
  readonly child: MmStruct;
  /** The child's area. */
  readonly vma: Vma;
  /** Node of the forking CPU. */
  readonly nid: number;
}

/** Userfaultfds of the parent that have one like them for the child. */
type Twins = Map<UserfaultfdCtx, UserfaultfdCtx>;

/** fork's copy of an address space (kernel/fork.c:dup_mmap, mm/memory.c:copy_page_range). */
@injectable()
export class Fork {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(VmLimitsToken) private readonly limits: VmLimits,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
    @inject(KsmToken) private readonly ksm: Ksm,
    @inject(PmdsToken) private readonly pmds: Pmds,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Fills `child` with the parent's vmas and shares its pages copy-on-write. @returns 0 or -errno
   */
  dupMmap(parent: MmStruct, child: MmStruct, nid: number): number {
    this.work.cpuNid = nid;
    child.thpDisabled = parent.thpDisabled;
    child.khugepaged = parent.khugepaged;
    const forked: Twins = new Map();
    let rc = this.copyAreas(parent, child, forked);
    if (rc < 0) return rc;
    for (const vma of child.vmas) {
      if (!needsCopy(vma)) continue;
      if (isCow(vma))
        this.notifiers.invalidate(parent.id, vma.start, vma.end, MMU_NOTIFY_PROTECTION_PAGE);
      this.splitPinned(parent, vma);
      const copy: Copy = { child, vma, nid };
      this.mapping.range(parent.id, vma.start, vma.end, (slot, vpn) => {
        if (rc !== 0) return;
        this.ptes.populate(child.id, vpn);
        rc = this.copyEntry(slot, this.ptes.slot(child.id, vpn), copy);
      });
      if (rc === 0) this.copyHuge(parent, child, vma);
    }
    this.ksm.fork(parent, child);
    if (rc === 0) tellForked(forked);
    this.work.charge(this.cost.tlbFlushNs(parent.activeCpus));
    return rc;
  }

  /** Pinned pages are copied one by one, so their PMD is split first (copy_huge_pmd). */
  private splitPinned(parent: MmStruct, vma: Vma): void {
    for (const { leaf } of this.ptes.hugeLeaves(parent.id, vma.start, vma.end)) {
      const slot = leaf << LEAF_SHIFT;
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsNormalPage(bits)) continue;
      const pfn = this.ptes.value[slot]!;
      const pinned = this.table.has(this.table.head(pfn), PG_pinned);
      if (pinned && this.table.has(pfn, PG_anon_exclusive)) this.pmds.split(leaf);
    }
  }

  /** What is a huge PMD of the parent is one of the child, unless it maps a file. */
  private copyHuge(parent: MmStruct, child: MmStruct, vma: Vma): void {
    for (const { leaf, first } of this.ptes.hugeLeaves(parent.id, vma.start, vma.end)) {
      if (this.pmds.isFile(leaf)) continue;
      this.mapping.setPmd(this.ptes.slot(child.id, first) >> LEAF_SHIFT);
    }
  }

  /** The areas alone; each charged one is charged again. */
  private copyAreas(parent: MmStruct, child: MmStruct, forked: Twins): number {
    const copied: Vma[] = [];
    child.vmas = copied;
    for (const vma of parent.vmas) {
      if ((vma.flags & VM_DONTCOPY) !== 0) continue;
      const isCharged = (vma.flags & VM_ACCOUNT) !== 0;
      if (isCharged && !this.limits.enoughMemory(parent, vma.end - vma.start)) return -ENOMEM;
      copied.push(childVma(vma, child, forked));
    }
    return 0;
  }

  /** What a huge entry maps of a file is not copied (copy_huge_pmd). */
  private copyEntry(from: number, to: number, copy: Copy): number {
    if (this.ptes.isHuge(from) && this.pmds.isFile(from >> LEAF_SHIFT)) return 0;
    const special = this.entryTypes.get(pteType(this.ptes.bits[from]!));
    if (special?.restore !== undefined && !special.restore(from)) return -EBUSY;
    const bits = this.ptes.bits[from]!;
    if (pteMapsPage(bits)) return this.copyPresent(from, to, bits, copy);
    const type = pteType(bits);
    const value = this.ptes.value[from]!;
    if (type === PTE_TYPE_SWAP) {
      this.swap.duplicate(value);
      const kept = bits & PTE_TRACKING;
      this.mapping.setEntry(from, PTE_TYPE_SWAP, value, kept);
      this.mapping.setEntry(to, PTE_TYPE_SWAP, value, kept & ~lostBits(copy));
      copy.child.swapents += 1;
    } else if (isMigrationType(type)) {
      const flags = bits & (PTE_ACCESSED | PTE_DIRTY | PTE_TRACKING);
      const read = PTE_TYPE_MIGRATION_READ << PTE_TYPE_SHIFT;
      this.mapping.setEntry(from, PTE_TYPE_MIGRATION_READ, value, flags);
      this.mapping.copyMigration(to, read | (flags & ~lostBits(copy)), value);
    } else if (type === PTE_TYPE_HWPOISON) {
      this.mapping.setEntry(to, type, value);
    } else if (type === PTE_TYPE_MARKER) {
      const lost = lostBits(copy) === 0 ? 0 : PTE_MARKER_UFFD_WP;
      const kinds = value & ~lost;
      if (kinds !== 0) this.mapping.setEntry(to, type, kinds);
    } else {
      if ((bits & PTE_UNADDRESSABLE) !== 0) this.copyUnaddressable(from, to, type, value);
      else this.mapping.setEntry(to, type, value, bits & ENTRY_FLAGS);
      this.entryTypes.get(type)?.fork(from, to, value);
    }
    return 0;
  }

  /** Shared like a present page, but never taken for pinned (copy_nonpresent_pte). */
  private copyUnaddressable(from: number, to: number, type: number, pfn: number): void {
    this.table.clear(pfn, PG_anon_exclusive);
    this.mapping.change(from, 0, PTE_WRITE);
    this.folios.get(this.table.head(pfn));
    this.mapping.map(to, pfn, (type << PTE_TYPE_SHIFT) | PTE_UNADDRESSABLE);
  }

  /** Private pages become read-only on both sides; a mapping that is shared stays as it is. */
  private copyPresent(from: number, to: number, bits: number, copy: Copy): number {
    if ((bits & PTE_SPECIAL) !== 0) {
      this.mapping.setEntry(to, 0, 0, bits & ~(PTE_ACCESSED | PTE_DIRTY | lostBits(copy)));
      return 0;
    }
    const pfn = this.ptes.value[from]!;
    const pinned = this.table.has(this.table.head(pfn), PG_pinned);
    if (pinned && this.table.has(pfn, PG_anon_exclusive)) {
      return this.copyPinned(pfn, { from, to }, bits, copy);
    }
    this.table.clear(pfn, PG_anon_exclusive);
    const isShared = (copy.vma.flags & VM_SHARED) !== 0;
    if (!isShared) this.mapping.change(from, 0, PTE_WRITE);
    this.folios.get(this.table.head(pfn));
    const tracked = PTE_SOFT_DIRTY | (PTE_UFFD_WP & ~lostBits(copy));
    const kept = PRESENCE | tracked | (isShared ? PTE_WRITE : PTE_DIRTY);
    this.mapping.map(to, pfn, bits & kept);
    return 0;
  }

  /**
   * The child gets its own copy at once, the parent keeps its page exclusive (copy_present_page).
   */
  private copyPinned(pfn: number, slots: SlotPair, bits: number, copy: Copy): number {
    const { from, to } = slots;
    const page = { mm: copy.child, vma: copy.vma, vpn: this.ptes.vpnOf(to), nid: copy.nid };
    const fresh = this.prealloc.forVma(page, 0, GFP_HIGHUSER_MOVABLE);
    if (fresh < 0) return -ENOMEM;
    if ((bits & PTE_WRITTEN) !== 0) this.contents.settle(pfn, this.ptes.vpnOf(from), from);
    this.contents.copy(fresh, pfn);
    this.table.set(fresh, PG_anon | PG_anon_exclusive | PG_swapbacked);
    const isProtected = (bits & PTE_UFFD_WP & ~lostBits(copy)) !== 0;
    const write = (copy.vma.flags & VM_WRITE) !== 0 ? PTE_WRITE : 0;
    const allowed = isProtected ? PTE_UFFD_WP : write;
    this.mapping.map(to, fresh, (bits & PRESENCE) | allowed | PTE_MKDIRTY);
    this.folios.addLru(fresh);
    return 0;
  }
}
export const ForkToken = createToken<Fork>('Fork');

const ENTRY_FLAGS = 0xfff;
const NOT_INHERITED = VM_LOCKED | VM_LOCKONFAULT;
const PRESENCE = PTE_PRESENT | PTE_PROTNONE;

/**
 * Locks are not inherited; pages below it are the child's own from now on (anon_vma_fork). A
 * userfaultfd gets a twin for the child if its user wants to know, otherwise it stays behind
 * (dup_userfaultfd). @param forked twins so far
 */
function childVma(vma: Vma, child: MmStruct, forked: Twins): Vma {
  const isWiped = (vma.flags & VM_WIPEONFORK) !== 0;
  const anonVma = vma.anonVma === null || isWiped ? null : new AnonVma(true);
  const flags = vma.flags & ~NOT_INHERITED;
  if (vma.uffd === null || !hasUffdFeature(vma.uffd, UFFD_FEATURE_EVENT_FORK)) {
    return { ...vma, flags: flags & ~VM_UFFD_MASK, anonVma, uffd: null };
  }
  const twin = forked.get(vma.uffd) ?? vma.uffd.twinFor(child);
  forked.set(vma.uffd, twin);
  return { ...vma, flags, anonVma, uffd: twin };
}

/** Each userfaultfd that has a twin now is told of it (dup_userfaultfd_complete). */
function tellForked(forked: Twins): void {
  for (const [uffd, ufd] of forked) tellUffd(uffd, { event: UFFD_EVENT_FORK, ufd });
}

/** Bits that entries of the child lose: protection that nobody would lift there. */
function lostBits({ vma }: Copy): number {
  return userfaultfdWp(vma) ? 0 : PTE_UFFD_WP;
}

/** Are its pages copied when somebody stores to them (is_cow_mapping)? */
function isCow({ flags }: Vma): boolean {
  return (flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
}

/** What a file holds the child can fault in again, and the zero page too (vma_needs_copy). */
function needsCopy(vma: Vma): boolean {
  if ((vma.flags & VM_WIPEONFORK) !== 0) return false;
  if (userfaultfdWp(vma)) return true;
  return vma.anonVma !== null || (vma.flags & VM_MAYBE_GUARD) !== 0;
}
