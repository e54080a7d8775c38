/** Types of device memory (include/linux/memremap.h:enum memory_type). */

/** The CPU can't address it: mapped by device-private entries, an access faults. */
export const MEMORY_DEVICE_PRIVATE = 1;
/** Coherent with the CPU: mapped by present entries, an access goes straight to the device. */
export const MEMORY_DEVICE_COHERENT = 2;
/** Pages of a DAX file system: a freed one wakes who waits for it to be idle. */
export const MEMORY_DEVICE_FS_DAX = 3;
/** Host memory behind a character device: the only type whose free pages have a reference. */
export const MEMORY_DEVICE_GENERIC = 4;
/** A window of a PCI device that other devices reach. */
export const MEMORY_DEVICE_PCI_P2PDMA = 5;

export type MemoryType =
  | typeof MEMORY_DEVICE_PRIVATE
  | typeof MEMORY_DEVICE_COHERENT
  | typeof MEMORY_DEVICE_FS_DAX
  | typeof MEMORY_DEVICE_GENERIC
  | typeof MEMORY_DEVICE_PCI_P2PDMA;

/** Are its pages handed out one by one by a driver, each with a reference of the page map? */
export function isDriverAllocated(type: MemoryType): boolean {
  return type === MEMORY_DEVICE_PRIVATE || type === MEMORY_DEVICE_COHERENT;
}

/** Do pages in use keep the map, one reference each, apart from those that go with the map? */
export function countsPages(type: MemoryType): boolean {
  return isDriverAllocated(type) || type === MEMORY_DEVICE_PCI_P2PDMA;
}

/** May its pages be pinned for long where they are (folio_is_longterm_pinnable)? */
export function isLongtermPinnable(type: MemoryType): boolean {
  return type === MEMORY_DEVICE_GENERIC || type === MEMORY_DEVICE_PCI_P2PDMA;
}

/** References of a free page. */
export function freeReferences(type: MemoryType): number {
  return type === MEMORY_DEVICE_GENERIC ? 1 : 0;
}
