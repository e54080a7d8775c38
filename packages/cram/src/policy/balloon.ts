import {
  assert,
  type Clock,
  ClockToken,
  type Contents,
  ContentsToken,
  type ContigRange,
  ContigRangeToken,
  CostModel,
  createToken,
  EBUSY,
  EINVAL,
  ENODEV,
  inject,
  injectable,
  type Nodes,
  NodesToken,
  PAGEBLOCK_PAGES,
  type PfnRange,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type Cram, CramToken } from '../cram.js';
import { type BalloonNode, type BalloonRound, RATIO_ONE } from './balloon-node.js';
import { type NodeUsers, NodeUsersToken } from './node-users.js';

/** Pages that one step of convergence changes at most: 8 MiB (CRAM_WMARK_CHUNK). */
const CRAM_WMARK_CHUNK = 2048;
/** Pages that are given back, or trimmed, at a time (CRAM_BALLOON_BATCH). */
const CRAM_BALLOON_BATCH = 512;
/** Rounds in which a withdrawn node gave nothing before one of its users is killed. */
const STALLED_ROUNDS = 3;
/** From one such round to the next; the kernel's worker only yields. */
const STALLED_NS = 1_000_000;

/**
 * Lets the device forget a run of pages.
 * @returns 0, or -errno: then they are zeroed
 */
export type TrimCallback = (base: number, pages: number) => number;

/**
 * The balloon of the author's later trees: what a device cannot hold any more is taken out of the
 * node, page block by page block, so that the kernel sees the capacity that there is. Asynchronous;
 * the latest target wins.
 *
 * Its worker: idle --target changes--> inflating or deflating by 8 MiB --reached--> idle. When a
 * round of polite migration brings nothing: idle if the node is open, else a round of reclaim to
 * swap; after three such rounds in vain a user of the node is killed, as staying above what the
 * device holds loses data silently.
 */
@injectable()
export class Balloon {
  private readonly byNode = new Map<number, BalloonNode>();

  constructor(
    @inject(CramToken) private readonly cram: Cram,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ContigRangeToken) private readonly contig: ContigRange,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(NodeUsersToken) private readonly users: NodeUsers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /**
   * A node gets a balloon, empty.
   * @param zratio pages that the driver claims the device holds for each that it has, per mille
   * @param trim null: pages are zeroed
   * @returns 0; -EINVAL zratio below 1000; -ENODEV the node has no memory; -EBUSY it has one
   */
  register(nid: number, zratio: number, trim: TrimCallback | null): number {
    if (zratio < RATIO_ONE) return -EINVAL;
    if (!this.nodes.exists(nid)) return -ENODEV;
    if (this.byNode.has(nid)) return -EBUSY;
    const perceived = this.nodes.pgdat(nid).managedPages();
    if (perceived === 0) return -ENODEV;
    const held: number[] = [];
    this.byNode.set(nid, {
      nid,
      zratio,
      trim,
      perceived,
      held,
      target: 0,
      running: false,
      attempt: null,
      stalled: 0,
    });
    return 0;
  }

  /** Empties the balloon and forgets the node; nothing of its worker runs afterwards. */
  unregister(nid: number): void {
    const node = this.byNode.get(nid);
    if (node === undefined) return;
    this.byNode.delete(nid);
    if (node.attempt !== null) this.contig.abort(node.attempt);
    node.attempt = null;
    node.target = 0;
    while (node.held.length > 0) this.deflate(node, CRAM_WMARK_CHUNK);
    this.cram.setConverging(nid, false);
  }

  /**
   * The driver reports the ratio that its device achieves: what it holds is perceived x min(1,
   * ratio / zratio), the balloon takes the rest.
   * @param entry 'closed': nothing comes in until the balloon has its size
   * @returns 0; -EINVAL below 1000; -ENODEV no balloon
   */
  cram_set_compression_ratio(nid: number, ratio: number, entry: 'open' | 'closed'): number {
    if (ratio < RATIO_ONE) return -EINVAL;
    const node = this.byNode.get(nid);
    if (node === undefined) return -ENODEV;
    const missing = Math.max(0, node.zratio - ratio);
    this.aim(node, Math.floor((node.perceived * missing) / node.zratio));
    if (entry === 'closed' && node.running) this.cram.setConverging(nid, true);
    return 0;
  }

  /** The driver says how many pages the device holds. @returns 0; -ENODEV no balloon */
  cram_set_capacity(nid: number, pages: number): number {
    const node = this.byNode.get(nid);
    if (node === undefined) return -ENODEV;
    this.aim(node, Math.max(0, node.perceived - pages));
    return 0;
  }

  /** Pages that a node's balloon holds; 0 without one. */
  pagesOf(nid: number): number {
    return this.byNode.get(nid)?.held.length ?? 0;
  }

  /** Pages that it shall hold. */
  targetOf(nid: number): number {
    return this.byNode.get(nid)?.target ?? 0;
  }

  /** Counts over all nodes, since they were registered. */
  readonly counts = {
    inflated: 0,
    deflated: 0,
    attempts: 0,
    failed: 0,
    stalledRounds: 0,
    kills: 0,
  };

  /** A change of the target wakes the worker; so does a report that does not change it. */
  private aim(node: BalloonNode, target: number): void {
    node.target = target;
    if (node.running || node.held.length === target) return;
    node.running = true;
    this.clock.after(0, () => this.step(node));
  }

  private isGone(node: BalloonNode): boolean {
    return this.byNode.get(node.nid) !== node;
  }

  private step(node: BalloonNode): void {
    if (this.isGone(node)) return;
    const missing = node.target - node.held.length;
    if (missing > 0) {
      this.round(node, { want: Math.min(CRAM_WMARK_CHUNK, missing), effort: 'migrate', got: 0 });
      return;
    }
    if (missing < 0) this.deflate(node, Math.min(CRAM_WMARK_CHUNK, -missing));
    else this.rest(node);
    if (node.running) this.clock.after(this.work.take(), () => this.step(node));
  }

  private rest(node: BalloonNode): void {
    node.running = false;
    node.stalled = 0;
    this.cram.setConverging(node.nid, false);
  }

  /** A walk over the node's page blocks; one whose first page is held counts as held. */
  private round(node: BalloonNode, round: BalloonRound): void {
    const { base, spannedPages } = this.nodes.pgdat(node.nid);
    const first = Math.ceil(base / PAGEBLOCK_PAGES) * PAGEBLOCK_PAGES;
    const held = new Set(node.held);
    const blocks: PfnRange[] = [];
    for (let at = first; at + PAGEBLOCK_PAGES <= base + spannedPages; at += PAGEBLOCK_PAGES) {
      if (!held.has(at)) blocks.push({ base: at, pages: PAGEBLOCK_PAGES });
    }
    this.next(node, round, blocks.reverse());
  }

  /** Begins with the next page block; what it costs passes before it is looked at again. */
  private next(node: BalloonNode, round: BalloonRound, blocks: PfnRange[]): void {
    const block = round.got < round.want ? blocks.pop() : undefined;
    if (block === undefined) {
      this.ended(node, round);
      return;
    }
    this.counts.attempts++;
    node.attempt = block;
    this.contig.begin(block);
    this.empty(node, block.base, round, blocks);
  }

  /** Sends a batch of the page block away; its time passes before the next, or before the end. */
  private empty(node: BalloonNode, from: number, round: BalloonRound, blocks: PfnRange[]): void {
    const block = node.attempt;
    assert(block !== null, 'a page block is being emptied');
    const next = this.contig.evacuate(block, from, round.effort);
    this.clock.after(this.work.take(), () => {
      if (this.isGone(node)) return;
      assert(node.attempt === block, 'the worker tries one page block at a time');
      if (next < block.base + block.pages) this.empty(node, next, round, blocks);
      else this.take(node, block, round, blocks);
    });
  }

  private take(node: BalloonNode, block: PfnRange, round: BalloonRound, blocks: PfnRange[]): void {
    node.attempt = null;
    const pages = this.contig.finish(block);
    if (pages.length === 0) this.counts.failed++;
    this.hold(node, pages);
    round.got += pages.length;
    this.clock.after(this.work.take(), () => {
      if (!this.isGone(node)) this.next(node, round, blocks);
    });
  }

  private ended(node: BalloonNode, round: BalloonRound): void {
    if (round.got > 0) {
      node.stalled = 0;
      this.step(node);
    } else if (!this.cram.isWithdrawn(node.nid)) {
      this.rest(node);
    } else if (round.effort === 'migrate') {
      this.round(node, { ...round, effort: 'reclaim' });
    } else {
      this.stall(node);
    }
  }

  private stall(node: BalloonNode): void {
    this.counts.stalledRounds++;
    node.stalled++;
    if (node.stalled >= STALLED_ROUNDS) {
      node.stalled = 0;
      if (!this.users.killOne(node.nid)) {
        this.rest(node);
        return;
      }
      this.counts.kills++;
    }
    this.clock.after(STALLED_NS, () => this.step(node));
  }

  /**
   * Taken pages: the device may forget them. The first of a page block is given back first, so that
   * a block that is held in part is looked at again.
   */
  private hold(node: BalloonNode, pages: readonly number[]): void {
    node.held.push(...[...pages].reverse());
    this.counts.inflated += pages.length;
    for (let at = 0; at < pages.length; at += CRAM_BALLOON_BATCH) {
      this.trim(node, pages.slice(at, at + CRAM_BALLOON_BATCH));
    }
  }

  private trim(node: BalloonNode, pages: readonly number[]): void {
    const [base = 0] = pages;
    const inRow = pages.every((pfn, at) => pfn === base + at);
    if (inRow && node.trim !== null && node.trim(base, pages.length) === 0) return;
    for (const pfn of pages) this.contents.zero(pfn);
    this.work.charge(pages.length * this.cost.ns.zeroPage);
  }

  /** Gives pages back, the last page block that was taken first. */
  private deflate(node: BalloonNode, pages: number): void {
    const back = node.held.splice(Math.max(0, node.held.length - pages));
    for (const pfn of back) this.contig.giveBack(pfn);
    this.counts.deflated += back.length;
  }
}
export const BalloonToken = createToken<Balloon>('Balloon');
