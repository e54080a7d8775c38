import { VM_GROWSDOWN, VM_LOCKED, VM_SHARED, VM_WRITE } from '../abi/mman.js';
import type { MmStruct, Vma } from './vma.js';

/** Pages of every area (mm->total_vm). */
export function totalVm(mm: MmStruct): number {
  return pagesOf(mm, () => true);
}

/** Pages of the locked areas, mapped or not (mm->locked_vm). */
export function lockedVm(mm: MmStruct): number {
  return pagesOf(mm, ({ flags }) => (flags & VM_LOCKED) !== 0);
}

/** Pages of private writable areas that are no stack (mm->data_vm). */
export function dataVm(mm: MmStruct): number {
  return pagesOf(mm, ({ flags }) => isDataMapping(flags));
}

/** Pages of areas that grow (mm->stack_vm). */
export function stackVm(mm: MmStruct): number {
  return pagesOf(mm, ({ flags }) => (flags & VM_GROWSDOWN) !== 0);
}

/** Does RLIMIT_DATA count the area (mm/vma.h:is_data_mapping)? */
export function isDataMapping(flags: number): boolean {
  return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE;
}

function pagesOf(mm: MmStruct, counts: (vma: Vma) => boolean): number {
  let pages = 0;
  for (const vma of mm.vmas) if (counts(vma)) pages += vma.end - vma.start;
  return pages;
}
