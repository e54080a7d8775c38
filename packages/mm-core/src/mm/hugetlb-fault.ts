import { MPOL_PREFERRED_MANY } from '../abi/mempolicy.js';
import { VM_SHARED, VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP, VM_WRITE } from '../abi/mman.js';
import { PG_anon, PG_anon_exclusive, PG_hwpoison } from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_MKDIRTY,
  PTE_PRESENT,
  PTE_TYPE_HWPOISON,
  PTE_UFFD_WP,
  PTE_WRITE,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { VM_FAULT_HWPOISON_LARGE, VM_FAULT_SIGBUS } from '../abi/vm-fault.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import {
  handleUserfault,
  isUffdWpMarker,
  userfaultfdPteWp,
  userfaultfdWpAsync,
  withOldProtection,
} from '../mem/userfaultfd.js';
import { pageIndex } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Hugetlb, HugetlbToken } from './hugetlb.js';
import { type HugetlbCache, HugetlbCacheToken } from './hugetlb-cache.js';
import { type HugetlbReserve, HugetlbReserveToken } from './hugetlb-reserve.js';
import { type Mapping, MappingToken } from './mapping.js';
import { Mempolicy, type PolicyChoice } from './mempolicy.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type Work, WorkToken } from './work.js';

/** May a page that was promised to the mapping be used for this one? */
type ReserveRule = 'may use reserves' | 'avoid reserves';

/** Faults in areas of huge pages from the pool (mm/hugetlb.c:hugetlb_fault). */
@injectable()
export class HugetlbFault {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(HugetlbToken) private readonly hugetlb: Hugetlb,
    @inject(HugetlbReserveToken) private readonly reserve: HugetlbReserve,
    @inject(HugetlbCacheToken) private readonly pageCache: HugetlbCache,
    @inject(Mempolicy) private readonly mempolicy: Mempolicy,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @returns VM_FAULT_* bits */
  handle(vmf: FaultContext): number {
    vmf.unlock();
    this.work.charge(this.cost.ns.hugeFault);
    const isHole = vmf.bits === 0 || isUffdWpMarker(vmf.bits, vmf.value);
    const reason = isHole ? this.usersReason(vmf) : 0;
    if (reason !== 0) return handleUserfault(vmf, reason);
    if (isHole) return this.noPage(vmf);
    if (!pteMapsPage(vmf.bits)) {
      const isPoison = pteType(vmf.bits) === PTE_TYPE_HWPOISON;
      return isPoison ? VM_FAULT_HWPOISON_LARGE : VM_FAULT_SIGBUS;
    }
    if (vmf.write && (vmf.bits & PTE_WRITE) === 0) {
      if (!userfaultfdPteWp(vmf.vma, vmf.bits)) return this.wp(vmf);
      if (!userfaultfdWpAsync(vmf.vma)) return handleUserfault(vmf, VM_UFFD_WP);
      this.changeLeaf(vmf.slot >> LEAF_SHIFT, 0, PTE_UFFD_WP);
      return this.wp(vmf.again(this.ptes.bits[vmf.slot]!, vmf.value));
    }
    const used = PTE_PRESENT | PTE_ACCESSED | (vmf.write ? PTE_MKDIRTY : 0);
    this.changeLeaf(vmf.slot >> LEAF_SHIFT, used, 0);
    return 0;
  }

  /** Why the fault is a userfaultfd's business, as VM_UFFD_*; 0: it is not. */
  private usersReason(vmf: FaultContext): number {
    const isShared = (vmf.vma.flags & VM_SHARED) !== 0;
    const isCached = isShared && this.sharedPage(vmf) >= 0;
    return vmf.vma.flags & (isCached ? VM_UFFD_MINOR : VM_UFFD_MISSING);
  }

  /** The file is gone: its pages go back to the pool. */
  forget(file: AddressSpace): void {
    for (const [, folio] of this.pageCache.pages(file)) this.pageCache.drop(folio);
    this.reserve.forget(file);
  }

  /**
   * A hole in base pages [first, end): whole pages in it go back to the pool, of the others the
   * part in it is zeroed (hugetlbfs_punch_hole). The caller unmapped the whole ones.
   */
  punchHole(file: AddressSpace, first: number, end: number): void {
    for (const [index, folio] of this.pageCache.pages(file)) {
      const base = index * PTRS_PER_PTE;
      const from = Math.max(first - base, 0);
      const to = Math.min(end - base, PTRS_PER_PTE);
      if (to - from === PTRS_PER_PTE) this.pageCache.drop(folio);
      for (let at = from; to - from < PTRS_PER_PTE && at < to; at++) {
        this.contents.zero(folio + at);
        this.contents.onChangedBehind(folio + at);
      }
    }
  }

  /** Nothing stands there yet (hugetlb_no_page). A store to a private mapping copies at once. */
  private noPage(vmf: FaultContext): number {
    const isShared = (vmf.vma.flags & VM_SHARED) !== 0;
    const known = isShared ? this.sharedPage(vmf) : -1;
    const folio = known >= 0 ? known : this.alloc(vmf, 'may use reserves');
    if (folio < 0) return VM_FAULT_SIGBUS;
    if (known >= 0 && this.isPoisoned(known)) return VM_FAULT_HWPOISON_LARGE;
    if (known < 0) this.clear(folio);
    if (isShared) {
      if (known >= 0) this.folios.get(folio);
      else if (vmf.vma.file) this.pageCache.insert(vmf.vma.file, this.indexOf(vmf), folio);
      const write = (vmf.vma.flags & VM_WRITE) !== 0 ? PTE_WRITE | PTE_MKDIRTY : 0;
      this.map(vmf, folio, write);
      return 0;
    }
    vmf.mm.prepareAnonVma(vmf.vma);
    for (let at = 0; at < PTRS_PER_PTE; at++) this.table.set(folio + at, PG_anon_exclusive);
    this.table.set(folio, PG_anon);
    this.map(vmf, folio, vmf.write ? PTE_WRITE | PTE_MKDIRTY : 0);
    return 0;
  }

  /**
   * A store to a read-only page of a private mapping (hugetlb_wp). The one that the pages were
   * promised to gets its copy at the cost of the others, whose mappings go.
   */
  private wp(vmf: FaultContext): number {
    const old = this.table.head(vmf.value);
    const leaf = vmf.slot >> LEAF_SHIFT;
    const isAnon = this.table.has(old, PG_anon);
    if ((vmf.vma.flags & VM_SHARED) !== 0 || (isAnon && this.table.mapcount[old] === 1)) {
      if (isAnon) this.setExclusive(old);
      this.changeLeaf(leaf, PTE_WRITE | PTE_MKDIRTY | PTE_ACCESSED, 0);
      return 0;
    }
    const isOwner = this.reserve.isOwner(vmf.mm, vmf.vma);
    const copy = this.alloc(vmf, isOwner ? 'avoid reserves' : 'may use reserves');
    if (copy < 0 && isOwner) {
      this.unmapOthers(old, leaf);
      return this.wp(vmf.again(this.ptes.bits[vmf.slot]!, this.ptes.value[vmf.slot]!));
    }
    if (copy < 0) return VM_FAULT_SIGBUS;
    for (let at = 0; at < PTRS_PER_PTE; at++) this.contents.copy(copy + at, old + at);
    this.unmapLeaf(leaf);
    this.setExclusive(copy);
    this.table.set(copy, PG_anon);
    this.map(vmf, copy, PTE_WRITE | PTE_MKDIRTY);
    return 0;
  }

  /** Takes a page for the fault by the area's policy (alloc_hugetlb_folio). @returns it or -1 */
  private alloc(vmf: FaultContext, rule: ReserveRule): number {
    const { mm, vma } = vmf;
    const index = this.indexOf(vmf);
    const promised = rule === 'may use reserves' && this.reserve.has(mm, vma, index);
    const choice = this.mempolicy.choose(mm, vma, vmf.vpn, vmf.nid, PMD_ORDER);
    const spare = promised || this.hugetlb.free() > this.hugetlb.reserved;
    let folio = -1;
    const masks = this.nodesOf(choice);
    for (const nids of masks) if (folio < 0 && spare) folio = this.hugetlb.dequeue(nids);
    for (const nids of masks) if (folio < 0) folio = this.hugetlb.makeSurplus(nids);
    if (folio >= 0 && promised) this.reserve.consume(mm, vma, index);
    return folio;
  }

  /** Nodes in the order they are tried; of PREFERRED_MANY first its own, then every node. */
  private nodesOf({ nid, nodemask, mode }: PolicyChoice): number[][] {
    const order = [...new Set(this.nodes.pgdat(nid).fallback.map((zone) => zone.nid))];
    const cpuset = this.work.current?.memsAllowed ?? null;
    const allowed = order.filter((node) => cpuset === null || cpuset.has(node));
    if (nodemask === null) return [allowed];
    const masked = allowed.filter((node) => nodemask.has(node));
    return mode === MPOL_PREFERRED_MANY ? [masked, allowed] : [masked];
  }

  private sharedPage(vmf: FaultContext): number {
    const { file } = vmf.vma;
    return file === null ? -1 : this.pageCache.page(file, this.indexOf(vmf));
  }

  private indexOf({ vma, vpn }: FaultContext): number {
    return Math.floor(pageIndex(vma, vpn) / PTRS_PER_PTE);
  }

  private clear(folio: number): void {
    for (let at = 0; at < PTRS_PER_PTE; at++) this.contents.zero(folio + at);
  }

  private isPoisoned(folio: number): boolean {
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      if (this.table.has(folio + at, PG_hwpoison)) return true;
    }
    return false;
  }

  private setExclusive(folio: number): void {
    for (let at = 0; at < PTRS_PER_PTE; at++) this.table.set(folio + at, PG_anon_exclusive);
  }

  /** Maps the folio whole; takes over one reference and adds those of the other entries. */
  private map(vmf: FaultContext, folio: number, bits: number): void {
    const leaf = vmf.slot >> LEAF_SHIFT;
    const wasMarker = isUffdWpMarker(this.ptes.bits[vmf.slot]!, this.ptes.value[vmf.slot]!);
    const wanted = withOldProtection(PTE_PRESENT | PTE_ACCESSED | bits, PTE_WRITE, wasMarker);
    this.table.refcount[folio]! += PTRS_PER_PTE - 1;
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      this.mapping.map((leaf << LEAF_SHIFT) | at, folio + at, wanted);
    }
    this.mapping.setPmd(leaf);
  }

  /** Unmaps the page of a leaf and tells who mirrors it of all of it (unmap_hugepage_range). */
  private unmapLeaf(leaf: number): void {
    this.notifiers.invalidateLeaf(leaf, MMU_NOTIFY_CLEAR);
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        const pfn = this.mapping.unmap((leaf << LEAF_SHIFT) | at);
        this.folios.put(this.table.head(pfn));
      }
    });
  }

  private changeLeaf(leaf: number, set: number, clear: number): void {
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        this.mapping.change((leaf << LEAF_SHIFT) | at, set, clear);
      }
    });
  }

  /** Every other mapping of the page goes (unmap_ref_private). */
  private unmapOthers(folio: number, kept: number): void {
    for (const slot of this.rmap.slots(folio)) {
      if (slot >> LEAF_SHIFT !== kept) this.unmapLeaf(slot >> LEAF_SHIFT);
    }
  }
}
export const HugetlbFaultToken = createToken<HugetlbFault>('HugetlbFault');
