import { MPOL_BIND } from '../abi/mempolicy.js';
import { VM_HUGETLB, VM_NORESERVE, VM_SHARED } from '../abi/mman.js';
import { N_MEMORY } from '../abi/node-states.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type Nodemask, nodemask, nodesAnd } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { type Hugetlb, HugetlbToken } from './hugetlb.js';

/** Huge pages of one mapping that were promised and not yet used (struct resv_map). */
interface ReserveMap {
  /** Address space that the promise was made to; null: whoever maps the file. */
  readonly ownerMm: number | null;
  /** Indices in huge pages. */
  readonly pages: Set<number>;
}

/** Promises of the pool to mappings (mm/hugetlb.c:hugetlb_reserve_pages, hugetlb_vm_op_close). */
@injectable()
export class HugetlbReserve {
  private readonly maps = new Map<AddressSpace, ReserveMap>();

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(HugetlbToken) private readonly hugetlb: Hugetlb,
  ) {}

  /** A mapping is made. @returns could everything be promised? */
  map(task: TaskStruct, file: AddressSpace, vma: Vma): boolean {
    const isShared = (vma.flags & VM_SHARED) !== 0;
    const map = { ownerMm: isShared ? null : task.mm.id, pages: new Set<number>() };
    this.maps.set(file, map);
    if ((vma.flags & VM_NORESERVE) !== 0) return true;
    const first = pageIndex(vma, vma.start) / PTRS_PER_PTE;
    const count = (vma.end - vma.start) / PTRS_PER_PTE;
    if (!this.hugetlb.reserve(count, this.allowed(task), task.nid)) {
      this.maps.delete(file);
      return false;
    }
    for (let at = 0; at < count; at++) map.pages.add(first + at);
    return true;
  }

  /** Was the page promised to this address space? */
  has(mm: MmStruct, vma: Vma, index: number): boolean {
    return this.mapFor(mm, vma.file)?.pages.has(index) === true;
  }

  /** Is the address space the one that the mapping's promises were made to (HPAGE_RESV_OWNER)? */
  isOwner(mm: MmStruct, vma: Vma): boolean {
    return vma.file !== null && this.maps.get(vma.file)?.ownerMm === mm.id;
  }

  /** The promised page is there now. */
  consume(mm: MmStruct, vma: Vma, index: number): void {
    if (this.mapFor(mm, vma.file)?.pages.delete(index) === true) this.hugetlb.reserved -= 1;
  }

  /** Parts of areas are unmapped: what was promised for them and not used is free again. */
  unmapped(mm: MmStruct, gone: readonly Vma[]): void {
    for (const part of gone) {
      if ((part.flags & VM_HUGETLB) === 0 || part.file === null) continue;
      if (!this.isOwner(mm, part)) continue;
      const first = pageIndex(part, part.start) / PTRS_PER_PTE;
      const end = pageIndex(part, part.end) / PTRS_PER_PTE;
      const pages = this.mapFor(mm, part.file)?.pages;
      let unused = 0;
      for (let index = first; index < end; index++) if (pages?.delete(index)) unused++;
      this.hugetlb.unreserve(unused);
    }
  }

  /** The file is gone. */
  forget(file: AddressSpace): void {
    const map = this.maps.get(file);
    if (map === undefined) return;
    this.hugetlb.unreserve(map.pages.size);
    this.maps.delete(file);
  }

  private mapFor(mm: MmStruct, file: AddressSpace | null): ReserveMap | undefined {
    const map = file === null ? undefined : this.maps.get(file);
    if (map === undefined) return undefined;
    return map.ownerMm === null || map.ownerMm === mm.id ? map : undefined;
  }

  /** Nodes of the cpuset, and of a BIND policy of the task (allowed_mems_nr). */
  private allowed(task: TaskStruct): Nodemask {
    const cpuset = task.memsAllowed ?? nodemask(this.nodes.inState(N_MEMORY));
    const { policy } = task;
    return policy?.mode === MPOL_BIND ? nodesAnd(cpuset, policy.nodes) : cpuset;
  }
}
export const HugetlbReserveToken = createToken<HugetlbReserve>('HugetlbReserve');
