import { assert } from '../base/assert.js';
import { createToken } from '../base/di.js';
import { MmStruct } from '../mem/vma.js';

/** Every address space of the machine. */
export class Mms {
  private readonly byId = new Map<number, MmStruct>();
  private idNext = 1;

  create(name: string): MmStruct {
    const mm = new MmStruct(this.idNext++, name);
    this.byId.set(mm.id, mm);
    return mm;
  }

  get(id: number): MmStruct {
    const mm = this.byId.get(id);
    assert(mm !== undefined, `address space ${id} exists`);
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
