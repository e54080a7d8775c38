import { VM_GROWSDOWN } from '../abi/mman.js';
import { PAGE_SIZE, PTRS_PER_PTE } from '../abi/zone.js';
import type { MmStruct, Vma } from '../mem/vma.js';

/** Virtual pages of the user's address space (TASK_SIZE, x86-64 with four levels). */
export const TASK_SIZE_PAGES = 2 ** 35 - 1;

/** Pages that must stay free below a stack (stack_guard_gap). */
export const STACK_GUARD_GAP = 256;

/** Least and greatest room for the stack above the mappings, in pages. */
const STACK_ROOM_MIN = (128 << 20) / PAGE_SIZE;
const STACK_ROOM_MAX = Math.floor(TASK_SIZE_PAGES / 6) * 5;

/** Where the search goes upwards from if there is no room below (TASK_UNMAPPED_BASE). */
const BOTTOM_UP_BASE = Math.floor(TASK_SIZE_PAGES / 3);

/** Lowest page of an area with the gap that must stay free below it (vm_start_gap). */
export function startGap(vma: Vma): number {
  if ((vma.flags & VM_GROWSDOWN) === 0) return vma.start;
  return Math.max(0, vma.start - STACK_GUARD_GAP);
}

/** Room that is looked for. */
export interface AreaRequest {
  /** Page where it would be welcome, or 0. */
  readonly hint: number;
  readonly pages: number;
  /** RLIMIT_STACK: mappings stay out of the way of the stack. */
  readonly stackBytes: number;
  /** Anonymous memory of whole huge pages starts at one (thp_get_unmapped_area). */
  readonly mayAlign: boolean;
}

/**
 * Where an area of `pages` may go that need not lie anywhere: at the hint if that is free, else
 * as high as possible below the stack (arch_get_unmapped_area_topdown). Simplified: the base is
 * not random. @returns first page, or -1 if there is no room
 */
export function unmappedArea(mm: MmStruct, request: AreaRequest): number {
  const { hint, pages } = request;
  if (hint > 0 && hint + pages <= TASK_SIZE_PAGES && isFree(mm, hint, pages)) return hint;
  const top = mmapBase(request.stackBytes);
  const isHuge = request.mayAlign && hint === 0 && pages % PTRS_PER_PTE === 0;
  if (isHuge) {
    const padded = topDown(mm, pages + PTRS_PER_PTE, top);
    if (padded >= 0) return (Math.floor(padded / PTRS_PER_PTE) + 1) * PTRS_PER_PTE;
  }
  const found = topDown(mm, pages, top);
  return found >= 0 ? found : bottomUp(mm, pages);
}

/** mmap_base. */
function mmapBase(stackBytes: number): number {
  const room = Math.floor(stackBytes / PAGE_SIZE) + STACK_GUARD_GAP;
  return TASK_SIZE_PAGES - Math.min(Math.max(room, STACK_ROOM_MIN), STACK_ROOM_MAX);
}

/** Does nothing stand in the range, nor a stack too near above it? */
function isFree(mm: MmStruct, start: number, pages: number): boolean {
  const next = mm.vmas.find((vma) => vma.end > start);
  return next === undefined || start + pages <= startGap(next);
}

function topDown(mm: MmStruct, pages: number, top: number): number {
  let ceiling = top;
  for (const vma of [...mm.vmas].reverse()) {
    if (vma.end <= ceiling && ceiling - vma.end >= pages) break;
    ceiling = Math.min(ceiling, startGap(vma));
  }
  return ceiling - pages >= 1 ? ceiling - pages : -1;
}

function bottomUp(mm: MmStruct, pages: number): number {
  let floor = BOTTOM_UP_BASE;
  for (const vma of mm.vmas) {
    if (startGap(vma) - floor >= pages) break;
    floor = Math.max(floor, vma.end);
  }
  return floor + pages <= TASK_SIZE_PAGES ? floor : -1;
}
