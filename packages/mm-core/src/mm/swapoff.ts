import { EINVAL, ENOMEM } from '../abi/errno.js';
import { PTE_TYPE_SWAP, pteMapsPage, pteType } from '../abi/pte.js';
import { VM_FAULT_ERROR } from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { FaultContext } from './fault-context.js';
import { type Files, FilesToken } from './files.js';
import { type Mms, MmsToken } from './mms.js';
import { type Shmem, ShmemToken } from './shmem.js';
import { type Swap, SwapToken } from './swap.js';
import { type SwapFault, SwapFaultToken } from './swap-fault.js';
import { type Work, WorkToken } from './work.js';

/** swapoff(2): everything comes back before the device goes (mm/swapfile.c:try_to_unuse). */
@injectable()
export class Swapoff {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(FilesToken) private readonly files: Files,
    @inject(ShmemToken) private readonly shmem: Shmem,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(SwapFaultToken) private readonly swapFault: SwapFault,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @returns 0; -EINVAL if nothing is on; -ENOMEM if not all came back, and the device stays on */
  swapoff(): number {
    if (this.swap.total() === 0) return -EINVAL;
    this.swap.stopAllocating();
    const rc = this.unuseFiles() || this.unuseMms();
    if (rc < 0) this.swap.swapon();
    return rc;
  }

  /** shmem_unuse. */
  private unuseFiles(): number {
    for (const file of this.files.all()) {
      for (const index of [...file.swapped.keys()]) {
        if (this.shmem.getFolio(file, index, this.work.cpuNid).pfn < 0) return -ENOMEM;
      }
    }
    return 0;
  }

  private unuseMms(): number {
    for (const mm of this.mms.all()) {
      for (const vma of mm.vmas) {
        const rc = this.unuseVma(mm, vma);
        if (rc < 0) return rc;
      }
    }
    return 0;
  }

  private unuseVma(mm: MmStruct, vma: Vma): number {
    let rc = 0;
    this.ptes.walk(mm.id, vma.start, vma.end, (slot, vpn) => {
      const bits = this.ptes.bits[slot]!;
      if (rc < 0 || pteMapsPage(bits) || pteType(bits) !== PTE_TYPE_SWAP) return;
      const value = this.ptes.value[slot]!;
      const vmf = new FaultContext(mm, vma, vpn, slot, false, this.work.cpuNid, bits, value);
      if ((this.swapFault.unusePte(vmf) & VM_FAULT_ERROR) !== 0) rc = -ENOMEM;
    });
    return rc;
  }
}
export const SwapoffToken = createToken<Swapoff>('Swapoff');
