import { VM_MERGEABLE } from '../abi/mman.js';
import { PG_ksm } from '../abi/page-flags.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_KSM } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type RmapItem, rmapItem, type StableNode } from '../mem/ksm-node.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { type KsmMerge, KsmMergeToken } from './ksm-merge.js';
import { type KsmNodes, KsmNodesToken } from './ksm-nodes.js';
import { type KsmTree, KsmTreeToken } from './ksm-tree.js';
import { type Work, WorkToken } from './work.js';

/** An address space that ksmd looks at, with what it knows of its pages (struct ksm_mm_slot). */
interface Slot {
  readonly mm: MmStruct;
  readonly items: Map<number, RmapItem>;
}

/** Age that an item does not grow beyond (U8_MAX). */
const AGE_MAX = 255;
/** Items younger than this are never skipped. */
const AGE_SKIPPED = 3;

/** A page that ksmd comes to. */
interface Candidate {
  readonly item: RmapItem;
  readonly pfn: number;
}

/**
 * What ksmd does with its time (mm/ksm.c:ksm_do_scan): it goes over the pages of mergeable areas
 * and merges those of equal contents.
 *
 * A page on its way: seen (its contents are noted) --unchanged at the next scan--> candidate in the
 * unstable tree --an equal one comes by--> merged, in the stable tree. Simplified: pages that
 * somebody holds are left out before they become candidates.
 */
@injectable()
export class KsmScan {
  private readonly site = Sites.index('ksm.ksm_next_page');
  private readonly slots: Slot[] = [];
  /** Slot of the running scan, or -1 between two (ksm_scan.mm_slot at the head). */
  private slotAt = -1;
  /** Next virtual page of it (ksm_scan.address). */
  private vpn = 0;
  /** Finished full scans (ksm_scan.seqnr). */
  seq = 0;
  mergeAcrossNodes = true;
  useZeroPages = false;
  smartScan = true;
  pagesScanned = 0;
  pagesSkipped = 0;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(KsmNodesToken) private readonly ksmNodes: KsmNodes,
    @inject(KsmTreeToken) private readonly tree: KsmTree,
    @inject(KsmMergeToken) private readonly merge: KsmMerge,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** Is there any address space to look at? */
  hasWork(): boolean {
    return this.slots.length > 0;
  }

  /** Pages that ksmd knows (ksm_rmap_items). */
  itemCount(): number {
    return this.slots.reduce((sum, slot) => sum + slot.items.size, 0);
  }

  mms(): MmStruct[] {
    return this.slots.map((slot) => slot.mm);
  }

  /** An address space with mergeable areas joins, just behind the cursor (__ksm_enter). */
  enter(mm: MmStruct): void {
    if (mm.ksmMergeable) return;
    mm.ksmMergeable = true;
    const slot: Slot = { mm, items: new Map() };
    if (this.slotAt < 0) this.slots.push(slot);
    else this.slots.splice(this.slotAt++, 0, slot);
  }

  /** Looks at so many pages at most, and no further than the end of a full scan. */
  scan(pages: number): void {
    for (let left = pages; left > 0; left--) {
      const candidate = this.next();
      if (candidate === null) return;
      this.work.charge(this.cost.ns.scanPage);
      this.pagesScanned++;
      this.compareAndMerge(candidate.item, candidate.pfn);
    }
  }

  /** Forgets what it knows of every page (unmerge_and_remove_all_rmap_items). */
  forgetAll(): void {
    for (const { items } of this.slots) {
      for (const item of items.values()) this.tree.removeItem(item);
      items.clear();
    }
    this.tree.clear();
    this.slotAt = -1;
    this.seq = 0;
  }

  /** The next page to look at, or null at the end of a full scan (scan_get_next_rmap_item). */
  private next(): Candidate | null {
    if (this.slots.length === 0) return null;
    if (this.slotAt < 0) this.beginScan();
    while (this.slotAt < this.slots.length) {
      const slot = this.slots[this.slotAt];
      if (slot === undefined) break;
      const found = this.nextIn(slot);
      if (found !== null) return found;
      this.leave(slot);
    }
    this.slotAt = -1;
    this.seq++;
    return null;
  }

  private beginScan(): void {
    this.folios.lruAddDrainAll();
    this.tree.resetUnstable();
    this.slotAt = 0;
    this.vpn = 0;
  }

  /** The next page of a slot from the cursor on. */
  private nextIn(slot: Slot): Candidate | null {
    for (const vma of slot.mm.vmas) {
      if ((vma.flags & VM_MERGEABLE) === 0 || vma.anonVma === null || vma.end <= this.vpn) continue;
      const found = this.nextOf(slot, vma);
      if (found !== null) return found;
    }
    return null;
  }

  private nextOf(slot: Slot, vma: Vma): Candidate | null {
    for (let vpn = Math.max(this.vpn, vma.start); vpn < vma.end; ) {
      if (this.ptes.find(slot.mm.id, vpn) < 0) {
        vpn = (Math.floor(vpn / PTRS_PER_PTE) + 1) * PTRS_PER_PTE;
        continue;
      }
      const pfn = this.merge.pageAt(slot.mm, vpn);
      this.vpn = ++vpn;
      if (pfn < 0 || !this.managed.folio_managed_allows(this.site, pfn, GRANT_KSM)) continue;
      const item = this.itemOf(slot, vpn - 1);
      if (!this.shouldSkip(item, pfn)) return { item, pfn };
    }
    return null;
  }

  private itemOf(slot: Slot, vpn: number): RmapItem {
    const known = slot.items.get(vpn);
    const item = known ?? rmapItem(slot.mm, vpn);
    if (known === undefined) slot.items.set(vpn, item);
    item.seenSeq = this.seq;
    return item;
  }

  /** A slot is done: pages that were not met are gone, and so is a slot without any area. */
  private leave(slot: Slot): void {
    for (const item of slot.items.values()) {
      if (item.seenSeq === this.seq) continue;
      this.tree.removeItem(item);
      slot.items.delete(item.vpn);
    }
    this.vpn = 0;
    if (slot.mm.vmas.some((vma) => (vma.flags & VM_MERGEABLE) !== 0)) {
      this.slotAt++;
      return;
    }
    slot.mm.ksmMergeable = false;
    this.slots.splice(this.slotAt, 1);
  }

  /** Pages that were looked at in vain are looked at less and less (should_skip_rmap_item). */
  private shouldSkip(item: RmapItem, pfn: number): boolean {
    if (!this.smartScan || this.table.has(pfn, PG_ksm)) return false;
    const { age } = item;
    item.age = Math.min(age + 1, AGE_MAX);
    if (age < AGE_SKIPPED) return false;
    if (item.remainingSkips === 0) {
      item.remainingSkips = skipsAt(age);
      return false;
    }
    this.pagesSkipped++;
    item.remainingSkips--;
    this.tree.removeItem(item);
    return true;
  }

  private nidOf(pfn: number): number {
    return this.mergeAcrossNodes ? 0 : this.nodes.nidOf(pfn);
  }

  /** cmp_and_merge_page. */
  private compareAndMerge(item: RmapItem, pfn: number): void {
    const own = this.ksmNodes.of(pfn);
    if (own !== null) {
      if (!own.isMigrating && this.nidOf(pfn) !== own.nid) this.tree.setAside(own);
      if (!own.isMigrating && item.node === own) return;
    } else if (!this.isWorthSearching(item, pfn)) {
      return;
    }
    const key = this.merge.keyOf(pfn);
    const node = this.searchStable(pfn, key, own);
    if (node !== null && node === own && item.node === own) return;
    this.tree.removeItem(item);
    if (node !== null) {
      if (this.merge.replace(item, pfn, node.pfn)) this.tree.append(item, node);
      return;
    }
    if (this.merge.isMergeable(pfn) || this.table.order[pfn]! > 0) this.pair(item, pfn, key);
  }

  /** Did the page keep its contents since the last look, and is it no page of zeroes to merge? */
  private isWorthSearching(item: RmapItem, pfn: number): boolean {
    this.tree.removeItem(item);
    const key = this.merge.keyOf(pfn);
    if (item.checksum !== key) {
      item.checksum = key;
      return false;
    }
    if (!this.useZeroPages || key !== 0) return true;
    return !this.merge.replaceByZero(item, pfn);
  }

  /** stable_tree_search; a page that came from another node gets its place in this one's tree. */
  private searchStable(pfn: number, key: number, own: StableNode | null): StableNode | null {
    if (own !== null && !own.isMigrating) return own;
    const nid = this.nidOf(pfn);
    const found = this.tree.search(nid, key);
    if (own === null || found !== null) return found;
    this.tree.insert(nid, own);
    return own;
  }

  /** Merges the page with a candidate, or makes it one (unstable_tree_search_insert). */
  private pair(item: RmapItem, pfn: number, key: number): void {
    const nid = this.nidOf(pfn);
    const other = this.tree.searchInsert(nid, key, item, this.seq);
    if (other === null) return;
    const otherPfn = this.merge.pageAt(other.mm, other.vpn);
    if (otherPfn < 0 || otherPfn === pfn || this.merge.keyOf(otherPfn) !== key) return;
    if (this.nidOf(otherPfn) !== nid) return;
    this.mergeTwo(item, pfn, other, otherPfn, { nid, key });
  }

  /** The page being scanned becomes the merged one (try_to_merge_two_pages). */
  private mergeTwo(
    item: RmapItem,
    pfn: number,
    other: RmapItem,
    otherPfn: number,
    place: { readonly nid: number; readonly key: number },
  ): void {
    if (this.merge.splitCommon(pfn, otherPfn)) return;
    if (!this.merge.makeKsm(item, pfn)) return;
    if (!this.merge.replace(other, otherPfn, pfn)) {
      const vma = item.mm.find(item.vpn);
      if (vma !== null) {
        this.merge.breakRange(item.mm, { ...vma, start: item.vpn, end: item.vpn + 1 });
      }
      return;
    }
    this.tree.removeItem(other);
    const node: StableNode = { pfn, ...place, items: new Set(), isMigrating: false };
    this.tree.insert(place.nid, node);
    this.tree.append(other, node);
    this.tree.append(item, node);
  }
}
export const KsmScanToken = createToken<KsmScan>('KsmScan');

/** Scans that a page of this age is left out of (skip_age). */
function skipsAt(age: number): number {
  if (age <= 3) return 1;
  if (age <= 5) return 2;
  return age <= 8 ? 4 : 8;
}
