import {
  type Clock,
  ClockToken,
  type Contents,
  ContentsToken,
  CostModel,
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type MemCgroups,
  MemCgroupsToken,
  type Nodes,
  NodesToken,
  OptionCheck,
  PG_anon,
  PG_swapbacked,
  type Plugin,
  type Swap,
  type SwapFront,
  SwapToken,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type Cram, CramToken } from '../cram.js';
import { type CramEntry, CramEntryToken } from '../entry.js';
import { type AdmissionFilter, AdmissionFilterToken } from './admission-filter.js';

/** Options of CRAM as swap. */
export interface CramSwapOptions {
  /** The reaper looks for zombies this often, in ns. Default 10,000,000. */
  readonly reapNs?: number;
}
const CramSwapOptions = createToken<Required<CramSwapOptions>>('CramSwapOptions');

const REAP_NS = 10_000_000;

/**
 * CRAM as a swap backend (Price, 2026-04-27 and 04-29): a page that reclaim would swap goes to a
 * CRAM node and its entries become swap entries. A read maps it there, read-only, while it stays in
 * the swap cache; a store goes back to DRAM, or goes on in place within the write policy's budget.
 * A node under pressure is closed, and its own reclaim writes pages to the real device.
 *
 * A page here: taken --read fault--> mapped, still cached --store--> promoted or writable;
 * taken or mapped --reclaim of the node--> on the device; its last entry gone--> zombie --reaper-->
 * free.
 *
 * Simplified: base pages of anonymous memory; a store to a page that is not mapped maps it first
 * and faults again; pages stay charged to their group, as those that are demoted do.
 */
@injectable()
export class CramSwap implements SwapFront {
  private taken = 0;
  private refused = 0;
  private reaped = 0;
  private zombiesPeak = 0;
  private stopped = false;

  constructor(
    @inject(CramSwapOptions) private readonly options: Required<CramSwapOptions>,
    @inject(CramToken) private readonly cram: Cram,
    @inject(CramEntryToken) private readonly entry: CramEntry,
    @inject(AdmissionFilterToken) private readonly admission: AdmissionFilter,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** From now on swap asks here first, and zombies are looked for. */
  start(): void {
    this.swap.front = this;
    this.clock.after(this.options.reapNs, () => this.reap());
  }

  /** What is here stays in the swap cache and is ordinary memory of the node. */
  stop(): void {
    this.stopped = true;
    this.swap.front = null;
  }

  take(folio: number): number {
    const fresh = this.alloc(folio);
    if (fresh < 0) {
      this.refused++;
      return -1;
    }
    this.copy(folio, fresh);
    this.table.set(fresh, PG_anon | PG_swapbacked);
    this.memcgs.move(folio, fresh);
    this.folios.addLru(fresh);
    this.folios.lruAddDrain();
    this.taken++;
    return fresh;
  }

  keeps(folio: number): boolean {
    return this.cram.has(this.nodes.nidOf(folio));
  }

  stats(): Readonly<Record<string, number>> {
    return {
      'cram.swap_taken': this.taken,
      'cram.swap_refused': this.refused,
      'cram.zombies_reaped': this.reaped,
      'cram.zombies.peak': this.zombiesPeak,
    };
  }

  /** Zeroes need no room anywhere; what is here already goes on to the device. */
  private alloc(folio: number): number {
    const from = this.nodes.nidOf(folio);
    if (this.table.key[folio] === 0 || this.cram.has(from)) return -1;
    const nid = this.cram.pickNode(from);
    if (nid < 0 || !this.admission.admits(folio, nid)) return -1;
    return this.entry.newFolio(nid, 0);
  }

  private copy(src: number, dst: number): void {
    const source = this.nodes.pgdat(this.nodes.nidOf(src));
    const target = this.nodes.pgdat(this.nodes.nidOf(dst));
    this.contents.copy(dst, src);
    const { migratePage, copyPage } = this.cost.ns;
    this.work.charge(migratePage - copyPage + this.cost.copyPageNs({ source, target }));
  }

  /** One scan of the reaping thread. */
  private reap(): void {
    if (this.stopped) return;
    const zombies: number[] = [];
    for (const { entries, folio } of this.swap.inUse()) {
      if (folio < 0 || entries > 0 || !this.keeps(folio)) continue;
      this.work.charge(this.cost.ns.scanPage);
      const isIdle = this.table.folioMapcount(folio) === 0 && this.folios.trylock(folio);
      if (!isIdle) continue;
      this.folios.unlock(folio);
      zombies.push(folio);
    }
    for (const folio of zombies) this.swap.deleteFromCache(folio);
    this.reaped += zombies.length;
    this.zombiesPeak = Math.max(this.zombiesPeak, zombies.length);
    this.clock.after(this.options.reapNs + this.work.take(), () => this.reap());
  }
}
const CramSwapToken = createToken<CramSwap>('CramSwap');

/**
 * Plugin: reclaim swaps to CRAM nodes first. Put it behind `cram()`; for the plan as it was written
 * switch demotion off and mend swap-in (`nodePrivate({ swapIn: 'mended' })`), or a read maps pages
 * writable.
 */
export function cramSwap(options: CramSwapOptions = {}): Plugin {
  const { reapNs = REAP_NS } = options;
  const check = new OptionCheck('cram-swap');
  check.known(options, ['reapNs']);
  check.number('reapNs', reapNs, [1, Number.MAX_VALUE]);
  return {
    name: 'cram-swap',
    register(services) {
      services.bindValue(CramSwapOptions, { reapNs });
      services.bind(CramSwapToken, CramSwap);
    },
    probe: (services) => services.get(CramSwapToken).start(),
    remove: (services) => services.get(CramSwapToken).stop(),
    stats: (services) => services.get(CramSwapToken).stats(),
  };
}
