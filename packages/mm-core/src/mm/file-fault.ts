import { __GFP_ZERO, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { VM_SHARED, VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP, VM_WRITE } from '../abi/mman.js';
import {
  PG_anon,
  PG_anon_exclusive,
  PG_dirty,
  PG_hwpoison,
  PG_locked,
  PG_readahead,
  PG_swapbacked,
} from '../abi/page-flags.js';
import { PTE_ACCESSED, PTE_MKDIRTY, PTE_PRESENT, PTE_WRITE } from '../abi/pte.js';
import {
  VM_FAULT_HWPOISON,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
} from '../abi/vm-fault.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { pageProtWrites } from '../mem/page-prot.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';
import { handleUserfault, isUffdWpMarker, withOldProtection } from '../mem/userfaultfd.js';
import { pageIndex, type Vma } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type FilePmd, FilePmdToken } from './file-pmd.js';
import { type Filemap, FilemapToken } from './filemap.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type MmapReadahead, MmapReadaheadToken } from './mmap-readahead.js';
import type { FilePage } from './shmem.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

/** Does a fault begin anew because its page was read (FAULT_FLAG_TRIED)? */
type Tries = 'first try' | 'tried';

/** A fault where a file is mapped and nothing stands yet (mm/memory.c:do_fault). */
@injectable()
export class FileFault {
  private readonly site = Sites.index('memory.set_pte_range');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FilemapToken) private readonly filemap: Filemap,
    @inject(FilePmdToken) private readonly filePmd: FilePmd,
    @inject(MmapReadaheadToken) private readonly readahead: MmapReadahead,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @returns VM_FAULT_* bits */
  doFault(vmf: FaultContext, file: AddressSpace): number {
    vmf.unlock();
    // The folio lock: a batch that moves the page of the file has to end first.
    const cached = file.pages.get(pageIndex(vmf.vma, vmf.vpn));
    if (cached !== undefined && this.migrate.waitFor(cached)) return 0;
    if (!vmf.write) return this.doReadFault(vmf, file);
    return (vmf.vma.flags & VM_SHARED) !== 0
      ? this.doSharedFault(vmf, file)
      : this.doCowFault(vmf, file);
  }

  /** Cached pages around it are mapped along, also those that had to be read for it. */
  private doReadFault(vmf: FaultContext, file: AddressSpace): number {
    this.work.charge(this.cost.ns.trap);
    if (this.mapAround(vmf, file, 'first try')) return 0;
    const page = this.page(vmf, file);
    if (page.pfn < 0) return -page.pfn;
    const tries = page.isMajor ? 'tried' : 'first try';
    if (page.isRetried !== true || !this.mapAround(vmf, file, tries)) {
      this.foundAgain(vmf, file, page);
      this.finish(vmf, page.pfn, PTE_ACCESSED);
    }
    return page.isMajor ? VM_FAULT_MAJOR : 0;
  }

  private doSharedFault(vmf: FaultContext, file: AddressSpace): number {
    this.work.charge(this.cost.ns.trap);
    const page = this.page(vmf, file);
    if (page.pfn < 0) return -page.pfn;
    this.foundAgain(vmf, file, page);
    this.finish(vmf, page.pfn, PTE_ACCESSED | PTE_WRITE | PTE_MKDIRTY);
    const folio = this.table.head(page.pfn);
    // folio_mark_dirty takes a mark for PG_reclaim, whose bit it is.
    this.table.clear(folio, PG_readahead);
    this.table.set(folio, PG_dirty);
    return page.isMajor ? VM_FAULT_MAJOR : 0;
  }

  /** The copy is allocated before the file's page is looked for. */
  private doCowFault(vmf: FaultContext, file: AddressSpace): number {
    this.work.charge(this.cost.ns.cowFault);
    vmf.mm.prepareAnonVma(vmf.vma);
    const copy = this.prealloc.forVma(vmf, 0, GFP_HIGHUSER_MOVABLE | __GFP_ZERO);
    if (copy < 0) return VM_FAULT_OOM;
    const page = this.page(vmf, file);
    if (page.pfn < 0) {
      this.folios.put(copy);
      return -page.pfn;
    }
    this.foundAgain(vmf, file, page);
    this.contents.copy(copy, page.pfn);
    this.ptes.shadow[vmf.slot] = file.expected.get(pageIndex(vmf.vma, vmf.vpn)) ?? 0;
    this.table.set(copy, PG_anon | PG_anon_exclusive | PG_swapbacked);
    const write = (vmf.vma.flags & VM_WRITE) !== 0 ? PTE_WRITE : 0;
    const bits = PTE_PRESENT | PTE_ACCESSED | PTE_MKDIRTY | write;
    this.mapping.map(vmf.slot, copy, this.protectedAs(vmf.slot, bits));
    this.mlockFolio.mapped(copy, vmf.vma);
    this.folios.addLru(copy);
    return page.isMajor ? VM_FAULT_MAJOR : 0;
  }

  /** A fault that begins anew at a mark finds its page once more, and no mark. */
  private foundAgain(vmf: FaultContext, file: AddressSpace, page: FilePage): void {
    if (page.isRetried !== true || page.isMajor) return;
    this.readahead.async(vmf, file, this.table.head(page.pfn));
  }

  /** The file's page; `pfn` is minus the fault bits if there is none. */
  private page(vmf: FaultContext, file: AddressSpace): FilePage {
    const index = pageIndex(vmf.vma, vmf.vpn);
    if (index >= file.sizePages) return { pfn: -VM_FAULT_SIGBUS, isMajor: false };
    const reason = usersReason(vmf.vma, file, index);
    if (reason !== 0) return { pfn: -handleUserfault(vmf, reason), isMajor: false };
    const page = this.filemap.getFolio(file, index, vmf.nid, vmf);
    if (page.pfn < 0) return { pfn: -VM_FAULT_OOM, isMajor: false };
    if (!this.table.has(page.pfn, PG_hwpoison)) return page;
    return { pfn: -VM_FAULT_HWPOISON, isMajor: false };
  }

  /**
   * Maps what is cached around the fault: as many pages as the window has from its aligned start
   * on, or from the start of the area or of the page table if that comes later. Mapped pages are
   * old, the faulting one is not (do_fault_around, filemap_map_pages).
   * @returns is there an entry for the fault now?
   */
  private mapAround(vmf: FaultContext, file: AddressSpace, tries: Tries): boolean {
    const pages = this.sysctl.fault_around_bytes / 4096;
    if (pages <= 1 || (vmf.vma.flags & (VM_UFFD_WP | VM_UFFD_MINOR)) !== 0) return false;
    const { vma, vpn } = vmf;
    const table = Math.floor(vpn / PTRS_PER_PTE) * PTRS_PER_PTE;
    const window = Math.floor(vpn / pages) * pages;
    const from = Math.max(window, vma.start, table);
    const cached = file.pages.get(pageIndex(vma, from));
    const folio = cached === undefined ? -1 : this.table.head(cached);
    if (folio >= 0 && this.filePmd.set(vmf.mm, vma, vpn, folio, false)) return true;
    const fileEnd = vma.start + (file.sizePages - vma.pgoff);
    const to = Math.min(from + pages, vma.end, table + PTRS_PER_PTE, fileEnd);
    for (let at = from; at < to; at++) {
      const pfn = file.pages.get(pageIndex(vma, at));
      const slot = this.ptes.slot(vmf.mm.id, at);
      if (pfn === undefined || this.ptes.bits[slot] !== 0) continue;
      const head = this.table.head(pfn);
      if (this.table.has(pfn, PG_hwpoison) || this.table.has(head, PG_locked | PG_readahead))
        continue;
      this.map(vmf, slot, pfn, at === vpn ? PTE_ACCESSED : 0);
      if (at === vpn && tries === 'first try') this.readahead.foundAround(vma, file, head);
    }
    return this.ptes.bits[vmf.slot] !== vmf.bits;
  }

  /**
   * Maps the folio of a page: by one entry of a PMD, else as many of its pages as there are if all
   * their entries are empty and in the area, else the page alone (finish_fault).
   */
  private finish(vmf: FaultContext, pfn: number, bits: number): void {
    const { mm, vma, vpn, slot } = vmf;
    const folio = this.table.head(pfn);
    if (this.filePmd.set(mm, vma, vpn, folio, (bits & PTE_WRITE) !== 0)) return;
    const pages = this.table.nrPages(folio);
    const before = pfn - folio;
    const first = slot - before;
    const isInTable = first >> LEAF_SHIFT === (first + pages - 1) >> LEAF_SHIFT;
    const isInArea = vpn - before >= vma.start && vpn - before + pages <= vma.end;
    if (vma.uffd !== null || !isInTable || !isInArea || !this.isEmpty(first, pages)) {
      this.map(vmf, slot, pfn, bits);
      return;
    }
    for (let at = 0; at < pages; at++) this.map(vmf, first + at, folio + at, bits);
  }

  private isEmpty(first: number, pages: number): boolean {
    for (let at = 0; at < pages; at++) if (this.ptes.bits[first + at] !== 0) return false;
    return true;
  }

  /**
   * Maps a page of the file. A shared writable mapping of memory that needs no writeback is
   * writable from the start, a load's too (vma_wants_writenotify). What a mended series keeps
   * read-only is not stored to yet: the access faults again, on a page that is present.
   */
  private map(vmf: FaultContext, slot: number, pfn: number, bits: number): void {
    const folio = this.table.head(pfn);
    this.folios.get(folio);
    const open = pageProtWrites(vmf.vma);
    let wanted = PTE_PRESENT | bits | (open ? PTE_WRITE : 0);
    const writable = (wanted & PTE_WRITE) !== 0;
    if (writable && this.managed.folio_managed_shared_wrprotect(this.site, folio)) {
      wanted &= ~(PTE_WRITE | PTE_MKDIRTY);
    }
    this.mapping.map(slot, pfn, this.protectedAs(slot, wanted));
    this.mlockFolio.mapped(folio, vmf.vma);
  }

  private protectedAs(slot: number, bits: number): number {
    const wasMarker = isUffdWpMarker(this.ptes.bits[slot]!, this.ptes.value[slot]!);
    return withOldProtection(bits, PTE_WRITE, wasMarker);
  }
}
export const FileFaultToken = createToken<FileFault>('FileFault');

/**
 * Why a fault on this page of a file is for a userfaultfd, as VM_UFFD_*; 0: it is not
 * (shmem_get_folio_gfp).
 */
function usersReason({ flags }: Vma, file: AddressSpace, index: number): number {
  if (file.pages.has(index)) return flags & VM_UFFD_MINOR;
  return file.swapped.has(index) ? 0 : flags & VM_UFFD_MISSING;
}

const SHARED_WRITE = VM_SHARED | VM_WRITE;

/** May stores through the area reach the file? */
export function isSharedWritable(vma: Vma): boolean {
  return (vma.flags & SHARED_WRITE) === SHARED_WRITE;
}
