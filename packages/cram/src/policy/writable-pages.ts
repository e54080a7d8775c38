import {
  assert,
  type Clock,
  ClockToken,
  CostModel,
  createToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type Mapping,
  MappingToken,
  type Nodes,
  NodesToken,
  PG_anon_exclusive,
  PG_dirty,
  PTE_ACCESSED,
  PTE_MKDIRTY,
  PTE_UFFD_WP,
  PTE_WRITE,
  type Ptes,
  PtesToken,
  type Rmap,
  RmapToken,
  type VmFault,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type WritePolicy, WritePolicyToken } from './write-policy.js';

/** Pages that a revocation takes back before it looks up; in between programs run. */
const REVOKE_BATCH = 64;
/** To protect one page again, its shootdown included: 1 us (cost model specification, H4). */
const REVOKE_PAGE_NS = 1000;

/** One bit for each page of a node. */
class PageBitmap {
  private readonly words: Uint32Array;
  count = 0;

  constructor(
    readonly base: number,
    readonly pages: number,
  ) {
    this.words = new Uint32Array(Math.ceil(pages / 32));
  }

  get bytes(): number {
    return this.words.byteLength;
  }

  has(pfn: number): boolean {
    const at = pfn - this.base;
    return ((this.words[at >>> 5] ?? 0) & (1 << (at & 31))) !== 0;
  }

  add(pfn: number): void {
    const at = pfn - this.base;
    assert(at >= 0 && at < this.pages, 'the page is of the node');
    this.words[at >>> 5] = (this.words[at >>> 5] ?? 0) | (1 << (at & 31));
    this.count++;
  }

  delete(pfn: number): void {
    if (!this.has(pfn)) return;
    const at = pfn - this.base;
    this.words[at >>> 5] = (this.words[at >>> 5] ?? 0) & ~(1 << (at & 31));
    this.count--;
  }

  /** Pages from `from` on, `limit` at most. */
  next(from: number, limit: number): number[] {
    const found: number[] = [];
    for (let at = Math.max(0, from - this.base); at < this.pages; ) {
      if ((at & 31) === 0 && this.words[at >>> 5] === 0) {
        at += 32;
        continue;
      }
      if (this.has(this.base + at)) found.push(this.base + at);
      if (found.length === limit) break;
      at++;
    }
    return found;
  }
}

/**
 * The pages of CRAM nodes that programs may store to in place, in a bitmap of one bit a page
 * (RFC v4, "Future CRAM": 32 MiB per TiB), and their revocation. Only base pages that one entry
 * maps become writable; others go back to DRAM as in v4.
 *
 * A page: read-only --store, the policy says yes--> writable --revoked, or leaves the node-->
 * read-only. No page of a node becomes writable while it is being revoked, nor as long as the
 * pressure lasts that the policy revoked it for.
 */
@injectable()
export class WritablePages {
  private readonly byNode = new Map<number, PageBitmap>();
  private readonly revoking = new Map<number, (() => void)[]>();
  /** Nodes whose pressure is one that the policy revokes for. */
  private readonly pressed = new Set<number>();
  private granted = 0;
  private revoked = 0;

  constructor(
    @inject(WritePolicyToken) private readonly policy: WritePolicy,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** Lets a store go on in place if it may. @returns did it? The page-table lock is still held. */
  tryWrite(nid: number, folio: number, vmf: VmFault): boolean {
    if (!vmf.write || (vmf.bits & PTE_UFFD_WP) !== 0) return false;
    const isSmall = this.table.order[folio] === 0;
    if (!isSmall || !this.table.has(folio, PG_anon_exclusive)) return false;
    if (this.revoking.has(nid) || this.pressed.has(nid)) return false;
    const known = this.byNode.get(nid)?.has(folio) ?? false;
    if (!known && !this.policy.mayWrite(this.stateOf(nid))) return false;
    if (!known) this.bitmapOf(nid).add(folio);
    this.granted++;
    this.mapping.change(vmf.slot, PTE_WRITE | PTE_MKDIRTY | PTE_ACCESSED, 0);
    this.table.set(folio, PG_dirty);
    this.work.charge(this.cost.ns.wpReuse);
    return true;
  }

  /** The page left the node, or another one comes to its frame. */
  forget(nid: number, pfn: number): void {
    this.byNode.get(nid)?.delete(pfn);
  }

  /** May programs store to the page in place? */
  has(nid: number, pfn: number): boolean {
    return this.byNode.get(nid)?.has(pfn) ?? false;
  }

  /** Pages of a node that may be stored to. */
  countOf(nid: number): number {
    return this.byNode.get(nid)?.count ?? 0;
  }

  /** The driver said a pressure: the policy may want everything back. */
  underPressure(nid: number, pressure: number): void {
    if (this.policy.revokes?.(nid, pressure) !== true) {
      this.pressed.delete(nid);
      return;
    }
    this.pressed.add(nid);
    this.revoke(nid);
  }

  /** The service has given the node up: what is still mapped there is none of its business. */
  dropNode(nid: number): void {
    this.byNode.delete(nid);
    this.pressed.delete(nid);
  }

  /** Takes every writable page of the node back, batch by batch. @param done called at the end */
  revoke(nid: number, done: () => void = () => undefined): void {
    const waiting = this.revoking.get(nid);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    this.revoking.set(nid, [done]);
    this.revokeFrom(nid, this.bitmapOf(nid), 0);
  }

  /** Counters over all nodes. */
  stats(): Readonly<Record<string, number>> {
    const bitmaps = [...this.byNode.values()];
    return {
      'cram.writes_in_place': this.granted,
      'cram.writable_pages': bitmaps.reduce((sum, { count }) => sum + count, 0),
      'cram.writable_bitmap_bytes': bitmaps.reduce((sum, { bytes }) => sum + bytes, 0),
      'cram.writes_revoked': this.revoked,
    };
  }

  private revokeFrom(nid: number, bitmap: PageBitmap, from: number): void {
    const batch = bitmap.next(from, REVOKE_BATCH);
    this.clock.after(batch.length * REVOKE_PAGE_NS, () => {
      const isGone = this.byNode.get(nid) !== bitmap;
      if (!isGone) for (const pfn of batch) this.protect(bitmap, pfn);
      const last = isGone ? undefined : batch.at(-1);
      if (last !== undefined) {
        this.revokeFrom(nid, bitmap, last + 1);
        return;
      }
      const waiting = this.revoking.get(nid) ?? [];
      this.revoking.delete(nid);
      for (const done of waiting) done();
    });
  }

  private protect(bitmap: PageBitmap, pfn: number): void {
    if (!bitmap.has(pfn)) return;
    for (const slot of this.rmap.slots(pfn)) {
      if (((this.ptes.bits[slot] ?? 0) & PTE_WRITE) !== 0) this.mapping.change(slot, 0, PTE_WRITE);
    }
    bitmap.delete(pfn);
    this.revoked++;
  }

  private stateOf(nid: number): { nid: number; writablePages: number; residentPages: number } {
    const pgdat = this.nodes.pgdat(nid);
    const residentPages = pgdat.managedPages() - pgdat.unusedPages();
    return { nid, writablePages: this.countOf(nid), residentPages };
  }

  private bitmapOf(nid: number): PageBitmap {
    const known = this.byNode.get(nid);
    if (known !== undefined) return known;
    const { base, spannedPages } = this.nodes.pgdat(nid);
    const made = new PageBitmap(base, spannedPages);
    this.byNode.set(nid, made);
    return made;
  }
}
export const WritablePagesToken = createToken<WritablePages>('WritablePages');
