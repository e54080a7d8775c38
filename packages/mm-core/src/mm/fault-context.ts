import { assert } from '../base/assert.js';
import type { VmFault } from '../hooks/vm-fault.js';
import type { MmStruct, Vma } from '../mem/vma.js';

/**
 * A fault as the handlers pass it on (struct vm_fault): made once per fault, with the page-table
 * lock taken.
 */
export class FaultContext implements VmFault {
  private locked = true;

  constructor(
    readonly mm: MmStruct,
    readonly vma: Vma,
    readonly vpn: number,
    readonly slot: number,
    readonly write: boolean,
    readonly nid: number,
    readonly bits: number,
    readonly value: number,
  ) {}

  /** The same fault on the entry as it is now, the lock taken again. */
  again(bits: number, value: number): FaultContext {
    const { mm, vma, vpn, slot, write, nid } = this;
    return new FaultContext(mm, vma, vpn, slot, write, nid, bits, value);
  }

  get mmId(): number {
    return this.mm.id;
  }

  get ptlHeld(): boolean {
    return this.locked;
  }

  unlock(): void {
    assert(this.locked, 'the page-table lock is released once');
    this.locked = false;
  }
}
