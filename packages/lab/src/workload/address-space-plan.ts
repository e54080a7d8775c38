import {
  type AddressSpaceEvent,
  type MappingEvent,
  PAGE_BYTES,
  type PageTrace,
} from '@mm-lab/workloads';

/** One system call of the program, in pages, before a row of the trace. */
export type PlannedCall =
  | { readonly call: 'mmap' | 'mprotect'; readonly prot: Protection; readonly range: PageRange }
  | { readonly call: 'munmap'; readonly range: PageRange }
  | { readonly call: 'mremap'; readonly range: PageRange; readonly to: number }
  | { readonly call: 'madvise'; readonly range: PageRange; readonly advice: number };

/** Virtual pages. */
export interface PageRange {
  readonly start: number;
  readonly pages: number;
}

export interface Protection {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
}

/** A call and the row that it comes before. */
export interface PlannedEvent {
  readonly row: number;
  readonly planned: PlannedCall;
}

/**
 * When each recorded change of the address space happens, in rows. Row times are rounded down, so
 * what makes memory usable comes at the start of its quantum and what takes memory away at the end;
 * the order of events stays. Simplified: every mapping is anonymous; other system calls do nothing;
 * heap ends are rounded to pages.
 */
export function addressSpacePlan(
  events: readonly AddressSpaceEvent[],
  trace: PageTrace,
): readonly PlannedEvent[] {
  const plan: PlannedEvent[] = [];
  let row = 0;
  for (const event of events) {
    const planned = callOf(event);
    if (planned === undefined) continue;
    const { timeQuantum } = trace;
    const isTaking = planned.call === 'munmap' || planned.call === 'madvise';
    const quantum = Math.floor(event.t / timeQuantum) + (isTaking ? 1 : 0);
    row = Math.max(row, rowAt(trace, quantum * timeQuantum));
    if (event.event === 'startup') row = 0;
    plan.push({ row, planned });
  }
  return plan;
}

function callOf(event: AddressSpaceEvent): PlannedCall | undefined {
  switch (event.event) {
    case 'startup':
    case 'mmap':
      return { call: 'mmap', range: rangeOf(event.addr, event.len), prot: protOf(event) };
    case 'mprotect':
      return { call: 'mprotect', range: rangeOf(event.addr, event.len), prot: protOf(event) };
    case 'brk+':
      return { call: 'mmap', range: heapRange(event.addr, event.len), prot: HEAP };
    case 'brk-':
      return { call: 'munmap', range: heapRange(event.addr, event.len) };
    case 'munmap':
      return { call: 'munmap', range: rangeOf(event.addr, event.len) };
    case 'mremap':
      return {
        call: 'mremap',
        range: rangeOf(event.addr, event.len),
        to: Math.floor(event.newAddr / PAGE_BYTES),
      };
    case 'madvise':
      return { call: 'madvise', range: rangeOf(event.addr, event.len), advice: event.advice };
    default:
      return undefined;
  }
}

const HEAP: Protection = { readable: true, writable: true, executable: false };

function protOf({ readable, writable, executable }: MappingEvent): Protection {
  return { readable, writable, executable };
}

function rangeOf(addr: number, len: number): PageRange {
  const start = Math.floor(addr / PAGE_BYTES);
  return { start, pages: Math.ceil((addr + len) / PAGE_BYTES) - start };
}

/** The heap's pages are those that begin within it: its last one was there before it grew. */
function heapRange(addr: number, len: number): PageRange {
  const start = Math.ceil(addr / PAGE_BYTES);
  return { start, pages: Math.ceil((addr + len) / PAGE_BYTES) - start };
}

/** First row at or after a time. */
function rowAt({ t, rows }: PageTrace, time: number): number {
  let low = 0;
  let high = rows;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (t[middle]! < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
