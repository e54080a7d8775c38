/**
 * Types of device memory (include/linux/memremap.h:enum memory_type). Only the two that migrate_vma
 * moves are modelled; FS_DAX, GENERIC and PCI_P2PDMA are refused.
 */

/** The CPU can't address it: mapped by device-private entries, an access faults. */
export const MEMORY_DEVICE_PRIVATE = 1;
/** Coherent with the CPU: mapped by present entries, an access goes straight to the device. */
export const MEMORY_DEVICE_COHERENT = 2;

/** One of the modelled types. */
export type MemoryType = typeof MEMORY_DEVICE_PRIVATE | typeof MEMORY_DEVICE_COHERENT;
