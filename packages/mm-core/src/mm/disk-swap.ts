import { createToken, inject, injectable } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import type { Plugin } from '../hooks/plugin.js';
import { CostModel } from './cost-model.js';
import { type ReadReason, SwapBackend } from './swap-backend.js';
import { type Work, WorkToken } from './work.js';

/** Options of a swap partition on a disk. */
export interface DiskSwapOptions {
  /** Size in pages. */
  readonly pages: number;
  /** A disk that turns; it is not one if left out. Its time stays that of `diskRead`. */
  readonly rotational?: boolean;
}
const DiskSwapOptions = createToken<DiskSwapOptions>('DiskSwapOptions');

/**
 * Swap on an NVMe disk. Simplified: who waits for a read pays the device's whole latency; pages
 * read ahead with it, and writes, pay the kernel's part alone, as nobody waits for them.
 */
@injectable()
export class DiskSwap implements SwapBackend {
  readonly name = 'disk';
  readonly synchronous = false;
  readonly rotational: boolean;
  readonly slots: number;
  private writes = 0;
  private reads = 0;

  constructor(
    @inject(DiskSwapOptions) options: DiskSwapOptions,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {
    this.slots = options.pages;
    this.rotational = options.rotational ?? false;
  }

  store(): number {
    this.writes++;
    this.work.charge(this.cost.ns.diskKernel);
    return 0;
  }

  load(_slot: number, why: ReadReason): void {
    this.reads++;
    const { diskRead, diskKernel, swapInKernel } = this.cost.ns;
    // The fault that maps the page pays for the rest of the kernel's part.
    this.work.charge((why === 'asked for' ? diskRead : 0) + Math.max(0, diskKernel - swapInKernel));
  }

  free(): void {}

  stats(): Readonly<Record<string, number>> {
    return { 'disk.pages_written': this.writes, 'disk.pages_read': this.reads };
  }
}

/** Plugin: swap on a disk. */
export function diskSwap(options: DiskSwapOptions): Plugin {
  if (!Number.isInteger(options.pages) || options.pages <= 0 || options.pages > 2 ** 30) {
    throw new MmError('MACHINE_BAD_OPTION', {
      plugin: 'disk-swap',
      detail: `pages is ${options.pages}, not a whole number from 1 to 2^30`,
    });
  }
  return {
    name: 'disk-swap',
    register(services) {
      services.bindValue(DiskSwapOptions, options);
      services.bind(SwapBackend, DiskSwap);
    },
  };
}
