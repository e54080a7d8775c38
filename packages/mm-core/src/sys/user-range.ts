import { PAGE_SIZE } from '../abi/zone.js';

/** First byte behind the user's address space (TASK_SIZE, x86-64 with four levels). */
export const TASK_SIZE = 2 ** 47 - PAGE_SIZE;

/**
 * Addresses and lengths of a system call are bytes in a JavaScript number. Lengths near 2^64 lose
 * their low bits, which no check looks at: what matters is that rounding them up wraps to 0.
 */
export const ADDRESS_SPACE = 2 ** 64;

/** Is the address at the start of a page? */
export function isPageAligned(addr: number): boolean {
  return addr % PAGE_SIZE === 0;
}

/**
 * Rounds up to whole pages; wraps to 0 as the kernel's arithmetic does (PAGE_ALIGN). A negative
 * number is the unsigned one of the same bits.
 */
export function pageAlign(bytes: number): number {
  const rounded = Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
  if (rounded < 0) return rounded + ADDRESS_SPACE;
  return rounded >= ADDRESS_SPACE ? rounded - ADDRESS_SPACE : Math.abs(rounded);
}

/** Virtual page of an address. */
export function vpnOf(addr: number): number {
  return Math.floor(addr / PAGE_SIZE);
}

/** Address of a virtual page. */
export function addressOf(vpn: number): number {
  return vpn * PAGE_SIZE;
}

/** Whole pages in a length that is a multiple of the page size. */
export function pagesOf(bytes: number): number {
  return bytes / PAGE_SIZE;
}

/** Pages of the whole 64-bit address space: where page arithmetic wraps. */
const ADDRESS_SPACE_PAGES = ADDRESS_SPACE / PAGE_SIZE;

/** A range in virtual pages. `end` is below `start` if it wrapped. */
export interface PageRange {
  readonly start: number;
  readonly end: number;
  /** Length as it was given, in pages. */
  readonly pages: number;
}

/** A length that a program gave: negative ones are huge (size_t). */
export function sizeOf(length: number): number {
  return length < 0 ? ADDRESS_SPACE + length : length;
}

/** Pages of an aligned address and a length in bytes, which is rounded up. */
export function pageRange(addr: number, length: number): PageRange {
  const start = vpnOf(addr);
  const pages = pagesOf(pageAlign(length));
  return { start, end: wrapped(start + pages), pages };
}

/** Every page that a range of bytes touches, as mlock(2) counts. */
export function pageRangeAround(addr: number, length: number): PageRange {
  const offset = addr % PAGE_SIZE;
  // Near 2^64 only the negative number has room for the offset.
  const size = length >= ADDRESS_SPACE / 2 ? length - ADDRESS_SPACE : length;
  return pageRange(addr - offset, size + offset);
}

function wrapped(vpn: number): number {
  return vpn >= ADDRESS_SPACE_PAGES ? vpn - ADDRESS_SPACE_PAGES : vpn;
}
