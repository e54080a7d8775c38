/** What backs a mapping. */
export type MappingKind = 'anon' | 'file' | 'shm';

interface TimedEvent {
  /** Exact time in instructions. */
  readonly t: number;
}

interface RangeEvent extends TimedEvent {
  /** Start address in bytes. */
  readonly addr: number;
  /** Length in bytes; of brk not always whole pages. */
  readonly len: number;
}

/** A mapping present at the start, made at run time, or given a new protection. */
export interface MappingEvent extends RangeEvent {
  /** `mmap` may replace a part of an older mapping (MAP_FIXED). */
  readonly event: 'startup' | 'mmap' | 'mprotect';
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly kind: MappingKind;
  /** Offset in the file in bytes; 0 for anonymous memory. */
  readonly offset: number;
  /** Name of the file; empty for anonymous memory. */
  readonly name: string;
}

/** A range was unmapped, or the heap grew or shrank by the range. */
export interface PlainRangeEvent extends RangeEvent {
  readonly event: 'munmap' | 'brk+' | 'brk-';
}

/** A mapping moved or changed its size. */
export interface RemapEvent extends RangeEvent {
  readonly event: 'mremap';
  /** New start address in bytes. */
  readonly newAddr: number;
}

/** The program gave advice on a range. */
export interface AdviseEvent extends RangeEvent {
  readonly event: 'madvise';
  /** MADV_* number: 4 DONTNEED, 8 FREE, 14 HUGEPAGE … */
  readonly advice: number;
}

/** Another system call that concerns memory or processes. */
export interface SyscallEvent extends TimedEvent {
  readonly event: 'syscall';
  /** x86-64 system call number. */
  readonly nr: number;
  /** Arguments as hexadecimal text without 0x: they may exceed 2^53. */
  readonly args: readonly string[];
}

/** From here on another thread runs. */
export interface ThreadEvent extends TimedEvent {
  readonly event: 'tid';
  readonly tid: number;
}

/** One change of an address space, in the order of time. */
export type AddressSpaceEvent =
  | MappingEvent
  | PlainRangeEvent
  | RemapEvent
  | AdviseEvent
  | SyscallEvent
  | ThreadEvent;
