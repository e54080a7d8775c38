import { ENOMEM } from '../abi/errno.js';
import { __GFP_HIGHMEM, __GFP_KSWAPD_RECLAIM, __GFP_NOWARN } from '../abi/gfp.js';
import { N_CPU } from '../abi/node-states.js';
import { PAGE_SIZE } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import { PageData } from '../hooks/page-data.js';
import type { Plugin } from '../hooks/plugin.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { CostModel, type SwapCodec, swapCodecOf } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { SwapBackend } from './swap-backend.js';
import { type Work, WorkToken } from './work.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** Options of a zram swap device. */
export interface ZramOptions {
  /** Size of the device in pages (disksize). */
  readonly pages: number;
  /** Codec of `PageData.compressedSize`; its cost must be in the cost table (lz4, zstd, …). */
  readonly codec: string;
}
const ZramOptions = createToken<ZramOptions>('ZramOptions');

/** Objects above this many bytes are kept whole (zsmalloc's huge class). */
const HUGE_CLASS_BYTES = 3264;
/**
 * Share of a pool page that zsmalloc fills: 1-2 % placement loss (cost model specification, 1.2).
 */
const PACKING = 0.985;

/**
 * Compressed swap in memory (drivers/block/zram, mm/zsmalloc.c). The pool takes real pages of the
 * CPU's node, so that swapping out pays only for what it saves. Simplified: size classes are one
 * fill factor.
 */
@injectable()
export class Zram implements SwapBackend {
  readonly name = 'zram';
  readonly synchronous = true;
  readonly slots: number;
  private readonly sizes: Uint16Array;
  private readonly pool: number[] = [];
  private readonly codec: SwapCodec;
  private bytes = 0;
  private stored = 0;
  private savedIntegral = 0;
  private savedSince = 0;
  private readonly since: number;

  constructor(
    @inject(ZramOptions) private readonly options: ZramOptions,
    @inject(PageData) private readonly data: PageData,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {
    this.slots = options.pages;
    this.sizes = new Uint16Array(options.pages);
    this.codec = swapCodecOf(options.codec);
    this.since = clock.now;
    folios.addHolder(() => this.pool);
  }

  store(slot: number, key: number): number {
    this.free(slot);
    this.work.charge(this.cost.swapOutNs(this.codec));
    const compressed = this.data.compressedSize(key, this.options.codec, PAGE_SIZE);
    const size = compressed > HUGE_CLASS_BYTES ? PAGE_SIZE : compressed;
    if (!this.growPool(this.bytes + size)) return -ENOMEM;
    this.account(size, 1);
    this.sizes[slot] = size;
    return 0;
  }

  load(): void {
    this.work.charge(this.cost.swapInNs(this.codec) - this.cost.ns.swapInKernel);
  }

  free(slot: number): void {
    const size = this.sizes[slot]!;
    if (size === 0) return;
    this.account(-size, -1);
    this.sizes[slot] = 0;
    const needed = poolPages(this.bytes);
    while (this.pool.length > needed + 1) {
      const page = this.pool.pop();
      if (page !== undefined) this.folios.put(page);
    }
  }

  stats(): Readonly<Record<string, number>> {
    this.account(0, 0);
    const elapsed = Math.max(1, this.clock.now - this.since);
    return {
      'zram.stored_pages': this.stored,
      'zram.compressed_bytes': this.bytes,
      'zram.pool_pages': this.pool.length,
      'memory.saved_bytes.mean': this.savedIntegral / elapsed,
    };
  }

  private growPool(bytes: number): boolean {
    const needed = poolPages(bytes);
    while (this.pool.length < needed) {
      const gfp = __GFP_KSWAPD_RECLAIM | __GFP_HIGHMEM | __GFP_NOWARN;
      const nid = this.nodes.inState(N_CPU)[0] ?? 0;
      this.work.enterMemalloc();
      const page = this.zoneAlloc.alloc({ gfp, order: 0, nid, nodemask: null });
      this.work.leaveMemalloc();
      if (page < 0) return false;
      this.pool.push(page);
    }
    return true;
  }

  private account(bytes: number, pages: number): void {
    const saved = this.stored * PAGE_SIZE - this.pool.length * PAGE_SIZE;
    this.savedIntegral += saved * (this.clock.now - Math.max(this.since, this.savedSince));
    this.savedSince = this.clock.now;
    this.bytes += bytes;
    this.stored += pages;
  }
}

/** Pages that a pool of so many compressed bytes takes. */
function poolPages(bytes: number): number {
  return Math.ceil(bytes / (PAGE_SIZE * PACKING));
}

/** Plugin: swap on zram. */
export function zramSwap(options: ZramOptions): Plugin {
  if (!Number.isInteger(options.pages) || options.pages <= 0 || options.pages > 2 ** 30) {
    throw new MmError('MACHINE_BAD_OPTION', {
      plugin: 'zram',
      detail: `pages is ${options.pages}, not a whole number from 1 to 2^30`,
    });
  }
  swapCodecOf(options.codec);
  return {
    name: 'zram',
    register(services) {
      services.bindValue(ZramOptions, options);
      services.bind(SwapBackend, Zram);
    },
  };
}
