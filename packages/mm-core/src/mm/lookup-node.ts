import { EFAULT, ENOMEM } from '../abi/errno.js';
import { VM_READ } from '../abi/mman.js';
import { N_MEMORY } from '../abi/node-states.js';
import { PTE_PRESENT, PTE_SPECIAL } from '../abi/pte.js';
import { VM_FAULT_ERROR, VM_FAULT_OOM } from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { type Memory, MemoryToken } from './memory.js';

const ATTEMPTS_MAX = 8;

/**
 * The node behind an address, faulted in for reading (mm/mempolicy.c:lookup_node). The zero page is
 * part of the kernel's image, which lies on the first node with memory.
 */
@injectable()
export class LookupNode {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MemoryToken) private readonly memory: Memory,
  ) {}

  /** @param nid node of the caller's CPU @returns the node, -EFAULT or -ENOMEM */
  lookup(mm: MmStruct, vpn: number, nid: number): number {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const slot = this.ptes.find(mm.id, vpn);
      const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
      if ((bits & PTE_PRESENT) !== 0) {
        if ((bits & PTE_SPECIAL) !== 0) return this.nodes.inState(N_MEMORY)[0] ?? 0;
        return this.nodes.nidOf(this.ptes.value[slot]!);
      }
      if (((mm.find(vpn)?.flags ?? 0) & VM_READ) === 0) return -EFAULT;
      const result = this.memory.handleMmFault(mm, vpn, false, nid);
      if ((result & VM_FAULT_OOM) !== 0) return -ENOMEM;
      if ((result & VM_FAULT_ERROR) !== 0) return -EFAULT;
    }
    return -EFAULT;
  }
}
export const LookupNodeToken = createToken<LookupNode>('LookupNode');
