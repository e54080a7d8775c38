import { EAGAIN, EEXIST, EFAULT, EINVAL, EIO, ENOENT, ENOMEM } from '../abi/errno.js';
import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { VM_HUGETLB, VM_SHARED, VM_WRITE } from '../abi/mman.js';
import {
  PG_anon,
  PG_anon_exclusive,
  PG_dirty,
  PG_hwpoison,
  PG_swapbacked,
} from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_MARKER_POISONED,
  PTE_MARKER_UFFD_WP,
  PTE_MKDIRTY,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_MARKER,
  PTE_TYPE_MIGRATION_READ_EXCLUSIVE,
  PTE_TYPE_MIGRATION_WRITE,
  PTE_UFFD_WP,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { presenceIn } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import {
  isUffdWpMarker,
  type UserfaultfdCtx,
  userfaultfdUsesMarkers,
  userfaultfdWp,
  VM_UFFD_MASK,
} from '../mem/userfaultfd.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { zeroEntryIn } from './anon-fault.js';
import { CostModel } from './cost-model.js';
import { type Filemap, FilemapToken } from './filemap.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { MMU_NOTIFY_PROTECTION_VMA, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type Mprotect, MprotectToken } from './mprotect.js';
import { type VmaEdit, VmaEditToken } from './vma-edit.js';
import { type Work, WorkToken } from './work.js';

/** A page of an area that is filled in. */
interface Hole {
  readonly mm: MmStruct;
  readonly vma: Vma;
  readonly vpn: number;
  readonly slot: number;
  readonly nid: number;
  /** Is it protected at once (MFILL_ATOMIC_WP)? */
  readonly isProtected: boolean;
}

/** What a range of pages is filled with. */
export type Filling = 'data' | 'zeroes' | 'cached' | 'poison';

/**
 * What a userfaultfd does to areas and their pages (mm/userfaultfd.c). Simplified: pages of hugetlb
 * are not filled; no moving of pages (UFFDIO_MOVE) and no protection from loads (UFFDIO_RWPROTECT).
 */
@injectable()
export class Userfaultfd {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(FilemapToken) private readonly filemap: Filemap,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(MprotectToken) private readonly mprotect: Mprotect,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** Areas belong to `ctx` from now on (userfaultfd_register_range). @returns 0 or -ENOMEM */
  registerRange(ctx: UserfaultfdCtx, parts: readonly Vma[], modes: number): number {
    for (const part of parts) {
      if (part.uffd === ctx && (part.flags & modes) === modes) continue;
      const flags = (part.flags & ~VM_UFFD_MASK) | modes;
      const rc = this.edit.modify(ctx.mm, { ...part, flags, uffd: ctx });
      if (rc < 0) return rc;
    }
    return 0;
  }

  /** They belong to nobody any more, and nothing in them is protected (userfaultfd_clear_vma). */
  unregister(mm: MmStruct, parts: readonly Vma[]): number {
    for (const part of parts) {
      if (part.uffd === null) continue;
      if (userfaultfdWp(part)) this.wpRange(mm, part, 'free');
      const flags = part.flags & ~VM_UFFD_MASK;
      const rc = this.edit.modify(mm, { ...part, flags, uffd: null });
      if (rc < 0) return rc;
    }
    return 0;
  }

  /**
   * Protects or frees the pages of areas (mwriteprotect_range). @returns 0, or -ENOENT at the first
   * area that was not registered for it, or if there is none
   */
  writeProtect(mm: MmStruct, parts: readonly Vma[], to: 'protected' | 'free'): number {
    let rc = -ENOENT;
    for (const part of parts) {
      if (!userfaultfdWp(part)) return -ENOENT;
      if (cutsHuge(part)) return -EINVAL;
      this.wpRange(mm, part, to);
      rc = 0;
    }
    return rc;
  }

  /**
   * Fills holes (mfill_atomic). A private area has its anon_vma afterwards, even if it is not
   * registered (uffd_lock_vma).
   * @returns pages filled, or -errno if it failed at the first one
   */
  fill(
    { mm }: UserfaultfdCtx,
    range: { readonly start: number; readonly pages: number },
    filling: Filling,
    isProtected: boolean,
  ): number {
    const { start, pages } = range;
    const vma = mm.find(start);
    if (vma !== null && (vma.flags & VM_SHARED) === 0) mm.prepareAnonVma(vma);
    if (vma === null || vma.uffd === null || start + pages > vma.end) return -ENOENT;
    if (isProtected && !userfaultfdWp(vma)) return -EINVAL;
    if ((vma.flags & VM_HUGETLB) !== 0) return -EINVAL;
    if (filling === 'cached' && vma.file === null) return -EINVAL;
    let done = 0;
    for (; done < pages; done++) {
      const rc = this.fillPage(mm, start + done, filling, isProtected);
      if (rc < 0) return done > 0 ? done : rc;
    }
    return done;
  }

  private fillPage(mm: MmStruct, vpn: number, filling: Filling, isProtected: boolean): number {
    const vma = mm.find(vpn);
    if (vma === null) return -ENOENT;
    this.ptes.populate(mm.id, vpn);
    const slot = this.ptes.slot(mm.id, vpn);
    if (this.ptes.isHuge(slot)) return -EEXIST;
    const hole: Hole = { mm, vma, vpn, slot, nid: this.work.cpuNid, isProtected };
    if (filling === 'poison') return this.fillPoison(hole);
    if (filling === 'cached') return this.fillCached(hole);
    if ((vma.flags & VM_SHARED) !== 0) return this.fillShared(hole, filling);
    return filling === 'data' ? this.fillData(hole) : this.fillZeroes(hole);
  }

  /** mfill_atomic_pte_zeropage: also a protected hole is none. */
  private fillZeroes({ slot, nid, vma, vpn }: Hole): number {
    if (isBehindFile(vma, vpn)) return -EFAULT;
    if (this.ptes.bits[slot] !== 0) return -EEXIST;
    this.mapping.setEntry(slot, 0, 0, zeroEntryIn(vma, nid));
    this.work.charge(this.cost.ns.zeroPageFault);
    return 0;
  }

  /** mfill_atomic_pte_copy: a private page of its own, of a file's area too. */
  private fillData(hole: Hole): number {
    const { mm, vma, vpn, slot } = hole;
    const area = mm.prepareAnonVma(vma);
    const pfn = this.prealloc.forVma({ ...hole, vma: area }, 0, GFP_HIGHUSER_MOVABLE);
    if (pfn < 0) return -ENOMEM;
    if (!this.isHole(slot) || isBehindFile(area, vpn)) {
      this.folios.put(pfn);
      return isBehindFile(area, vpn) ? -EFAULT : -EEXIST;
    }
    this.table.set(pfn, PG_anon | PG_anon_exclusive | PG_swapbacked);
    this.mapping.map(slot, pfn, this.bitsOf(hole));
    this.ptes.shadow[slot] = this.contents.store(pfn, vpn);
    this.mlockFolio.mapped(pfn, area);
    this.folios.addLru(pfn);
    this.work.charge(this.cost.ns.cowFault);
    return 0;
  }

  /** mfill_atomic_pte_poison: who touches it gets SIGBUS; also a protected hole is none. */
  private fillPoison({ slot, vma, vpn }: Hole): number {
    if (isBehindFile(vma, vpn)) return -EFAULT;
    if (this.ptes.bits[slot] !== 0) return -EEXIST;
    this.mapping.setEntry(slot, PTE_TYPE_MARKER, PTE_MARKER_POISONED);
    return 0;
  }

  /** mfill_atomic_pte_continue: the page that the file has there; a private area may not store. */
  private fillCached(hole: Hole): number {
    const { vma, vpn, slot, nid } = hole;
    const { file } = vma;
    const index = pageIndex(vma, vpn);
    if (file === null || isBehindFile(vma, vpn)) return -EFAULT;
    if (!file.hasData(index)) return -EFAULT;
    const { pfn } = this.filemap.getFolio(file, index, nid);
    if (pfn < 0) return -EFAULT;
    if (this.table.has(pfn, PG_hwpoison)) return -EIO;
    if (!this.isHole(slot)) return -EEXIST;
    this.folios.get(this.table.head(pfn));
    const isPrivate = (vma.flags & VM_SHARED) === 0;
    this.mapping.map(slot, pfn, this.bitsOf(hole) & ~(isPrivate ? PTE_WRITE : 0));
    this.mlockFolio.mapped(pfn, vma);
    this.work.charge(this.cost.ns.trap);
    return 0;
  }

  /** shmem_mfill_atomic_pte: the page goes into the file. */
  private fillShared(hole: Hole, filling: Filling): number {
    const { vma, vpn, slot, nid } = hole;
    const { file } = vma;
    if (file === null) return -EINVAL;
    const index = pageIndex(vma, vpn);
    if (isBehindFile(vma, vpn)) return -EFAULT;
    if (file.hasData(index) || !this.isHole(slot)) return -EEXIST;
    const { pfn } = this.filemap.getFolio(file, index, nid);
    if (pfn < 0) return -ENOMEM;
    this.folios.get(pfn);
    this.mapping.map(slot, pfn, this.bitsOf(hole));
    if (filling === 'data') file.expected.set(index, this.contents.store(pfn, vpn));
    this.table.set(pfn, PG_dirty);
    this.mlockFolio.mapped(pfn, vma);
    this.work.charge(this.cost.ns.cowFault);
    return 0;
  }

  private bitsOf({ vma, isProtected }: Hole): number {
    const filled = presenceIn(vma) | PTE_ACCESSED | PTE_MKDIRTY;
    if (isProtected) return filled | PTE_UFFD_WP;
    return filled | ((vma.flags & VM_WRITE) !== 0 ? PTE_WRITE : 0);
  }

  /** pte_none_mostly. */
  private isHole(slot: number): boolean {
    const bits = this.ptes.bits[slot]!;
    return bits === 0 || isUffdWpMarker(bits, this.ptes.value[slot]!);
  }

  /** uffd_wp_range. */
  private wpRange(mm: MmStruct, vma: Vma, to: 'protected' | 'free'): void {
    this.notifiers.invalidate(mm.id, vma.start, vma.end, MMU_NOTIFY_PROTECTION_VMA);
    this.mapping.range(mm.id, vma.start, vma.end, (slot) => {
      if (!pteMapsPage(this.ptes.bits[slot]!)) this.changeNonPresent(slot, to);
      else if (to === 'protected') this.mapping.change(slot, PTE_UFFD_WP, PTE_WRITE);
      else this.free(slot, vma);
    });
    if (to === 'protected' && userfaultfdUsesMarkers(vma)) this.markHoles(mm, vma);
    const { mprotectPage } = this.cost.ns;
    this.work.charge(mprotectPage + this.cost.tlbFlushNs(mm.activeCpus) - this.cost.tlbFlushNs(1));
  }

  /** Only private pages become writable at once (vma_wants_manual_pte_write_upgrade). */
  private free(slot: number, vma: Vma): void {
    const bits = this.ptes.bits[slot]! & ~PTE_UFFD_WP;
    const isByHand = (vma.flags & (VM_SHARED | VM_HUGETLB)) === 0;
    const isWritable = isByHand && this.mprotect.canChangeWritable(slot, bits, vma);
    this.mapping.change(slot, isWritable ? PTE_WRITE : 0, PTE_UFFD_WP | PTE_WRITE);
  }

  /** change_softleaf_pte: the protection stands in the entry; poison and guards have none. */
  private changeNonPresent(slot: number, to: 'protected' | 'free'): void {
    const bits = this.ptes.bits[slot]!;
    const value = this.ptes.value[slot]!;
    const type = pteType(bits);
    if (type === PTE_TYPE_MARKER) {
      if (to === 'free' && value === PTE_MARKER_UFFD_WP) this.mapping.setEntry(slot, 0, 0);
      return;
    }
    if (type === PTE_TYPE_HWPOISON) return;
    if ((bits & PTE_UNADDRESSABLE) !== 0) this.mapping.change(slot, 0, PTE_WRITE);
    if (type === PTE_TYPE_MIGRATION_WRITE) {
      this.mapping.setEntry(slot, PTE_TYPE_MIGRATION_READ_EXCLUSIVE, value, bits & ENTRY_FLAGS);
    }
    this.mapping.change(
      slot,
      to === 'protected' ? PTE_UFFD_WP : 0,
      to === 'protected' ? 0 : PTE_UFFD_WP,
    );
  }

  private markHoles(mm: MmStruct, vma: Vma): void {
    for (let vpn = vma.start; vpn < vma.end; vpn++) {
      const slot = this.ptes.slot(mm.id, vpn);
      if (this.ptes.bits[slot] !== 0) continue;
      this.mapping.setEntry(slot, PTE_TYPE_MARKER, PTE_MARKER_UFFD_WP);
    }
  }
}
export const UserfaultfdToken = createToken<Userfaultfd>('Userfaultfd');

/** The low bits of a non-present entry that are flags. */
const ENTRY_FLAGS = 0xfff;

/** Does an edge of a part lie inside a page of a hugetlb area? */
function cutsHuge({ flags, start, end }: Vma): boolean {
  if ((flags & VM_HUGETLB) === 0) return false;
  return start % PTRS_PER_PTE !== 0 || end % PTRS_PER_PTE !== 0;
}

function isBehindFile(vma: Vma, vpn: number): boolean {
  return vma.file !== null && pageIndex(vma, vpn) >= vma.file.sizePages;
}

/** What a fill that ended early says (userfaultfd_copy). */
export function filledOr(rc: number, pages: number): number {
  if (rc < 0) return rc;
  return rc === pages ? 0 : -EAGAIN;
}
