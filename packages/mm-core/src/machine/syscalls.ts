import type { Services } from '../base/di.js';
import { SysMunmap, SysMunmapToken } from '../sys/munmap.js';

/** Binds the system calls; one class per call. */
export function bindSyscalls(services: Services): void {
  services.bind(SysMunmapToken, SysMunmap);
}

/**
 * The system calls of a machine with addresses and lengths in bytes and every argument check of
 * Linux in its order, as `machine.sys`. They act for the task they are given and charge their time
 * to the running path; `Task` wraps the common ones by page.
 */
export class Syscalls {
  readonly munmap: SysMunmap;

  constructor(services: Services) {
    this.munmap = services.get(SysMunmapToken);
  }
}
