import type { Services } from '../base/di.js';
import { SysGetMempolicy, SysGetMempolicyToken } from '../sys/get-mempolicy.js';
import { SysIoUring, SysIoUringToken } from '../sys/io-uring.js';
import { SysMadvise, SysMadviseToken } from '../sys/madvise.js';
import { SysMbind, SysMbindToken } from '../sys/mbind.js';
import { SysMigratePages, SysMigratePagesToken } from '../sys/migrate-pages.js';
import { SysMincore, SysMincoreToken } from '../sys/mincore.js';
import { SysMlock, SysMlockToken } from '../sys/mlock.js';
import { SysMmap, SysMmapToken } from '../sys/mmap.js';
import { SysMovePages, SysMovePagesToken } from '../sys/move-pages.js';
import { SysMprotect, SysMprotectToken } from '../sys/mprotect.js';
import { SysMremap, SysMremapToken } from '../sys/mremap.js';
import { SysMseal, SysMsealToken } from '../sys/mseal.js';
import { SysMsync, SysMsyncToken } from '../sys/msync.js';
import { SysMunmap, SysMunmapToken } from '../sys/munmap.js';
import { SysOpenFiles, SysOpenFilesToken } from '../sys/open-files.js';
import { SysPrctl, SysPrctlToken } from '../sys/prctl.js';
import { SysProcessMadvise, SysProcessMadviseToken } from '../sys/process-madvise.js';
import { SysSetMempolicy, SysSetMempolicyToken } from '../sys/set-mempolicy.js';
import {
  SysSetMempolicyHomeNode,
  SysSetMempolicyHomeNodeToken,
} from '../sys/set-mempolicy-home-node.js';
import { SyscallShadow, SyscallShadowToken } from '../sys/syscall-shadow.js';
import { SysUserfaultfd, SysUserfaultfdToken } from '../sys/userfaultfd.js';

/** Binds the system calls; one class per call. */
export function bindSyscalls(services: Services): void {
  services.bind(SysIoUringToken, SysIoUring);
  services.bind(SysPrctlToken, SysPrctl);
  services.bind(SysMunmapToken, SysMunmap);
  services.bind(SysMbindToken, SysMbind);
  services.bind(SysGetMempolicyToken, SysGetMempolicy);
  services.bind(SysMigratePagesToken, SysMigratePages);
  services.bind(SysMovePagesToken, SysMovePages);
  services.bind(SysSetMempolicyToken, SysSetMempolicy);
  services.bind(SysSetMempolicyHomeNodeToken, SysSetMempolicyHomeNode);
  services.bind(SyscallShadowToken, SyscallShadow);
  services.bind(SysMmapToken, SysMmap);
  services.bind(SysMremapToken, SysMremap);
  services.bind(SysMprotectToken, SysMprotect);
  services.bind(SysMadviseToken, SysMadvise);
  services.bind(SysProcessMadviseToken, SysProcessMadvise);
  services.bind(SysMlockToken, SysMlock);
  services.bind(SysMincoreToken, SysMincore);
  services.bind(SysMsyncToken, SysMsync);
  services.bind(SysMsealToken, SysMseal);
  services.bind(SysOpenFilesToken, SysOpenFiles);
  services.bind(SysUserfaultfdToken, SysUserfaultfd);
}

/**
 * The system calls of a machine with addresses and lengths in bytes and every argument check of
 * Linux in its order, as `machine.sys`. They act for the task they are given and charge their time
 * to the running path; `Task` wraps the common ones by page.
 */
export class Syscalls {
  readonly ioUring: SysIoUring;
  readonly prctl: SysPrctl;
  readonly munmap: SysMunmap;
  readonly mbind: SysMbind;
  readonly getMempolicy: SysGetMempolicy;
  readonly migratePages: SysMigratePages;
  readonly movePages: SysMovePages;
  readonly setMempolicy: SysSetMempolicy;
  readonly setMempolicyHomeNode: SysSetMempolicyHomeNode;
  readonly mmap: SysMmap;
  readonly mremap: SysMremap;
  readonly mprotect: SysMprotect;
  readonly madvise: SysMadvise;
  readonly processMadvise: SysProcessMadvise;
  readonly mlock: SysMlock;
  readonly mincore: SysMincore;
  readonly msync: SysMsync;
  readonly mseal: SysMseal;
  readonly openFiles: SysOpenFiles;
  readonly userfaultfd: SysUserfaultfd;

  constructor(services: Services) {
    this.ioUring = services.get(SysIoUringToken);
    this.prctl = services.get(SysPrctlToken);
    this.munmap = services.get(SysMunmapToken);
    this.mbind = services.get(SysMbindToken);
    this.getMempolicy = services.get(SysGetMempolicyToken);
    this.migratePages = services.get(SysMigratePagesToken);
    this.movePages = services.get(SysMovePagesToken);
    this.setMempolicy = services.get(SysSetMempolicyToken);
    this.setMempolicyHomeNode = services.get(SysSetMempolicyHomeNodeToken);
    this.mmap = services.get(SysMmapToken);
    this.mremap = services.get(SysMremapToken);
    this.mprotect = services.get(SysMprotectToken);
    this.madvise = services.get(SysMadviseToken);
    this.processMadvise = services.get(SysProcessMadviseToken);
    this.mlock = services.get(SysMlockToken);
    this.mincore = services.get(SysMincoreToken);
    this.msync = services.get(SysMsyncToken);
    this.mseal = services.get(SysMsealToken);
    this.openFiles = services.get(SysOpenFilesToken);
    this.userfaultfd = services.get(SysUserfaultfdToken);
  }
}
