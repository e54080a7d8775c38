import type { AddressSpace } from './address-space.js';
import type { FileRaState } from './file-ra-state.js';

/** A file as a process has it open (struct file). */
export interface OpenFile {
  readonly mapping: AddressSpace;
  /** Opened for reading, for writing (FMODE_READ, FMODE_WRITE). */
  readonly canRead: boolean;
  readonly canWrite: boolean;
  /** Readahead state of its own (f_ra); that of the file if it is left out. */
  readonly ra?: FileRaState;
}
