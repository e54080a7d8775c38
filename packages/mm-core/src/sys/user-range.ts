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

/** Rounds up to whole pages; wraps to 0 as the kernel's arithmetic does (PAGE_ALIGN). */
export function pageAlign(bytes: number): number {
  const rounded = Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
  return rounded >= ADDRESS_SPACE ? rounded - ADDRESS_SPACE : rounded;
}

/** Virtual page of an address. */
export function vpnOf(addr: number): number {
  return Math.floor(addr / PAGE_SIZE);
}

/** Whole pages in a length that is a multiple of the page size. */
export function pagesOf(bytes: number): number {
  return bytes / PAGE_SIZE;
}
