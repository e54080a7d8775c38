import type { Services } from '../base/di.js';
import { SysGetMempolicy, SysGetMempolicyToken } from '../sys/get-mempolicy.js';
import { SysIoUring, SysIoUringToken } from '../sys/io-uring.js';
import { SysMbind, SysMbindToken } from '../sys/mbind.js';
import { SysMigratePages, SysMigratePagesToken } from '../sys/migrate-pages.js';
import { SysMovePages, SysMovePagesToken } from '../sys/move-pages.js';
import { SysMunmap, SysMunmapToken } from '../sys/munmap.js';
import { SysSetMempolicy, SysSetMempolicyToken } from '../sys/set-mempolicy.js';
import {
  SysSetMempolicyHomeNode,
  SysSetMempolicyHomeNodeToken,
} from '../sys/set-mempolicy-home-node.js';

/** Binds the system calls; one class per call. */
export function bindSyscalls(services: Services): void {
  services.bind(SysIoUringToken, SysIoUring);
  services.bind(SysMunmapToken, SysMunmap);
  services.bind(SysMbindToken, SysMbind);
  services.bind(SysGetMempolicyToken, SysGetMempolicy);
  services.bind(SysMigratePagesToken, SysMigratePages);
  services.bind(SysMovePagesToken, SysMovePages);
  services.bind(SysSetMempolicyToken, SysSetMempolicy);
  services.bind(SysSetMempolicyHomeNodeToken, SysSetMempolicyHomeNode);
}

/**
 * The system calls of a machine with addresses and lengths in bytes and every argument check of
 * Linux in its order, as `machine.sys`. They act for the task they are given and charge their time
 * to the running path; `Task` wraps the common ones by page.
 */
export class Syscalls {
  readonly ioUring: SysIoUring;
  readonly munmap: SysMunmap;
  readonly mbind: SysMbind;
  readonly getMempolicy: SysGetMempolicy;
  readonly migratePages: SysMigratePages;
  readonly movePages: SysMovePages;
  readonly setMempolicy: SysSetMempolicy;
  readonly setMempolicyHomeNode: SysSetMempolicyHomeNode;

  constructor(services: Services) {
    this.ioUring = services.get(SysIoUringToken);
    this.munmap = services.get(SysMunmapToken);
    this.mbind = services.get(SysMbindToken);
    this.getMempolicy = services.get(SysGetMempolicyToken);
    this.migratePages = services.get(SysMigratePagesToken);
    this.movePages = services.get(SysMovePagesToken);
    this.setMempolicy = services.get(SysSetMempolicyToken);
    this.setMempolicyHomeNode = services.get(SysSetMempolicyHomeNodeToken);
  }
}
