import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { PTE_TYPE_SWAP, pteMapsPage, pteType } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Readahead, ReadaheadToken } from './readahead.js';
import { type Swap, SwapToken } from './swap.js';
import { type SwapRead, SwapReadToken } from './swap-read.js';
import { type Work, WorkToken } from './work.js';

/**
 * MADV_WILLNEED: reads ahead of faults, into the swap cache or the page cache
 * (mm/madvise.c:madvise_willneed). Simplified: the read is done when the call returns.
 */
@injectable()
export class MadviseWillneed {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ReadaheadToken) private readonly readahead: Readahead,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(SwapReadToken) private readonly reader: SwapRead,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  willneed(mm: MmStruct, part: Vma): void {
    const { file } = part;
    if (file === null) this.swapIn(mm, part);
    else if (file.kind === 'shmem') this.shmemSwapIn(mm, part, file);
    else this.readFile(part, file);
  }

  /** swapin_walk_pmd_entry. */
  private swapIn(mm: MmStruct, part: Vma): void {
    this.ptes.walk(mm.id, part.start, part.end, (slot, vpn) => {
      const bits = this.ptes.bits[slot]!;
      if (pteMapsPage(bits) || pteType(bits) !== PTE_TYPE_SWAP) return;
      this.readSwap(mm, part, vpn, this.ptes.value[slot]!);
    });
    this.folios.lruAddDrain();
  }

  /** shmem_swapin_range: the entries stay in the file until somebody uses the page. */
  private shmemSwapIn(mm: MmStruct, part: Vma, file: AddressSpace): void {
    for (let vpn = part.start; vpn < part.end; vpn++) {
      const entry = file.swapped.get(pageIndex(part, vpn));
      if (entry !== undefined) this.readSwap(mm, part, vpn, entry);
    }
    this.folios.lruAddDrain();
  }

  /** generic_fadvise. */
  private readFile(part: Vma, file: AddressSpace): void {
    const ra = part.ra ?? file.ra;
    const index = pageIndex(part, part.start);
    const ctl = { file, ra, index, nid: this.work.cpuNid, awaited: -1 };
    this.readahead.force(ctl, part.end - part.start);
  }

  /** read_swap_cache_async. */
  private readSwap(mm: MmStruct, part: Vma, vpn: number, entry: number): void {
    const page = { mm, vma: part, vpn, nid: this.work.cpuNid };
    this.reader.read(entry, 'advised', () =>
      this.prealloc.forSwapIn(page, GFP_HIGHUSER_MOVABLE, this.swap.memcgOf(entry)),
    );
  }
}
export const MadviseWillneedToken = createToken<MadviseWillneed>('MadviseWillneed');
