import { PAGE_SIZE } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import { PageData } from '../hooks/page-data.js';
import type { Plugin } from '../hooks/plugin.js';
import { CostModel, type SwapCodec, swapCodecOf } from './cost-model.js';
import { SavedMemory } from './saved-memory.js';
import { SwapBackend } from './swap-backend.js';
import { type Work, WorkToken } from './work.js';
import { type Zsmalloc, ZsmallocToken, type ZsPool } from './zsmalloc.js';

/** Options of a zram swap device. */
export interface ZramOptions {
  /** Size of the device in pages (disksize). */
  readonly pages: number;
  /** Codec of `PageData.compressedSize`; its cost must be in the cost table (lz4, zstd, …). */
  readonly codec: string;
}
const ZramOptions = createToken<ZramOptions>('ZramOptions');

/** A page whose words are all alike compresses to fewer bytes than this with any codec. */
const SAME_FILLED_BYTES_MAX = 64;
/** What a slot without an object holds. */
const EMPTY = 0;
/** One word repeated: only the word is kept (ZRAM_SAME). */
const SAME = -1;

/**
 * Compressed swap in memory (drivers/block/zram). The pool takes real pages, so that swapping out
 * pays only for what it saves. A page that would fill a size class of its own is kept whole
 * (ZRAM_HUGE). Simplified: a same-filled page costs what any store costs.
 */
@injectable()
export class Zram implements SwapBackend {
  readonly name = 'zram';
  readonly synchronous = true;
  readonly slots: number;
  /** Handle of the object of each slot, EMPTY or SAME. */
  private readonly handles: Int32Array;
  private readonly sizes: Uint16Array;
  private readonly pool: ZsPool;
  private readonly codec: SwapCodec;
  private readonly saved: SavedMemory;
  private readonly page = new Uint8Array(PAGE_SIZE);
  private readonly sameByKey = new Map<number, boolean>();
  private bytes = 0;
  private stored = 0;
  private same = 0;
  private huge = 0;

  constructor(
    @inject(ZramOptions) private readonly options: ZramOptions,
    @inject(PageData) private readonly data: PageData,
    @inject(ZsmallocToken) zsmalloc: Zsmalloc,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) clock: Clock,
  ) {
    this.slots = options.pages;
    this.handles = new Int32Array(options.pages);
    this.sizes = new Uint16Array(options.pages);
    this.codec = swapCodecOf(options.codec);
    this.pool = zsmalloc.createPool('zram0');
    this.saved = new SavedMemory(clock);
  }

  /** zram_write_page. */
  store(slot: number, key: number, nid: number): number {
    this.free(slot);
    const compressed = this.data.compressedSize(key, this.options.codec, PAGE_SIZE);
    this.work.charge(this.cost.swapOutNs(this.codec));
    if (compressed < SAME_FILLED_BYTES_MAX && this.isSameFilled(key)) {
      this.put(slot, SAME, 0);
      return 0;
    }
    const size = compressed >= this.pool.hugeClassSize ? PAGE_SIZE : Math.max(1, compressed);
    const handle = this.pool.malloc(size, nid);
    if (handle < 0) return handle;
    this.put(slot, handle, size);
    return 0;
  }

  /** zram_read_page. */
  load(slot: number): void {
    const isCoded = this.handles[slot]! > 0 && this.sizes[slot]! < PAGE_SIZE;
    this.work.charge(this.cost.decompressNs(isCoded ? this.codec : null));
  }

  /** zram_free_page. */
  free(slot: number): void {
    const handle = this.handles[slot]!;
    if (handle === EMPTY) return;
    if (handle !== SAME) this.pool.free(handle);
    this.account(slot, -1);
    this.handles[slot] = EMPTY;
    this.sizes[slot] = 0;
    this.saved.note((this.stored - this.pool.pages) * PAGE_SIZE);
  }

  stats(): Readonly<Record<string, number>> {
    return {
      'zram.stored_pages': this.stored,
      'zram.same_pages': this.same,
      'zram.huge_pages': this.huge,
      'zram.compressed_bytes': this.bytes,
      'zram.pool_pages': this.pool.pages,
      'memory.saved_bytes.mean': this.saved.mean(),
    };
  }

  private put(slot: number, handle: number, size: number): void {
    this.handles[slot] = handle;
    this.sizes[slot] = size;
    this.account(slot, 1);
    this.saved.note((this.stored - this.pool.pages) * PAGE_SIZE);
  }

  private account(slot: number, sign: number): void {
    this.stored += sign;
    this.bytes += sign * this.sizes[slot]!;
    if (this.handles[slot] === SAME) this.same += sign;
    if (this.sizes[slot] === PAGE_SIZE) this.huge += sign;
  }

  /** page_same_filled, asked once for each name of contents. */
  private isSameFilled(key: number): boolean {
    const known = this.sameByKey.get(key);
    if (known !== undefined) return known;
    this.data.render(key, this.page);
    const isSame = this.page.every((byte, at) => byte === this.page[at & 7]);
    this.sameByKey.set(key, isSame);
    return isSame;
  }
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
