import type { AddressSpace } from './address-space.js';

/** A file as a process has it open (struct file). */
export interface OpenFile {
  readonly mapping: AddressSpace;
  /** Opened for reading, for writing (FMODE_READ, FMODE_WRITE). */
  readonly canRead: boolean;
  readonly canWrite: boolean;
}
