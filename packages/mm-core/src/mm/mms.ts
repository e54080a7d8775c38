import { assert } from '../base/assert.js';
import { createToken } from '../base/di.js';
import { MmStruct } from '../mem/vma.js';

/** Every address space of the machine. */
export class Mms {
  private readonly byId = new Map<number, MmStruct>();
  private idNext = 1;
  /** An area of an address space begins or ends at a page (`Pmds.splitAt`). */
  onEdge: (mmId: number, vpn: number, heldPmd: boolean) => void = () => undefined;
  /** Areas of an address space went away (`Pmds.freePgtables`). */
  onUnmap: (mm: MmStruct, start: number, end: number) => void = () => undefined;

  create(name: string): MmStruct {
    const mm = new MmStruct(this.idNext++, name);
    mm.onUnmap = (start, end) => this.onUnmap(mm, start, end);
    mm.onEdge = (vpn, heldPmd) => this.onEdge(mm.id, vpn, heldPmd);
    this.byId.set(mm.id, mm);
    return mm;
  }

  get(id: number): MmStruct {
    const mm = this.byId.get(id);
    assert(mm !== undefined, 'the address space exists');
    return mm;
  }

  delete(id: number): void {
    this.byId.delete(id);
  }

  all(): Iterable<MmStruct> {
    return this.byId.values();
  }
}
export const MmsToken = createToken<Mms>('Mms');
