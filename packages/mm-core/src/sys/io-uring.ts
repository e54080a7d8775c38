import { EBUSY, EFAULT, ENOMEM } from '../abi/errno.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Gup, GupToken } from '../mm/gup.js';
import { vpnOf } from './user-range.js';

/** Largest registered buffer in bytes (io_uring/rsrc.c:io_buffer_validate). */
const BUFFER_MAX = 2 ** 30;
/** End of what may be pinned (TASK_SIZE_MAX). */
const TASK_SIZE_MAX = 2 ** 47 - PAGE_SIZE;

/** A ring with its registered buffers, which are long-term pins of a program's pages. */
export class IoRing {
  /** Pinned frames; null while no buffer is registered. */
  buffers: readonly number[] | null = null;
  /** Descriptors that name it. */
  users = 1;

  constructor(
    /** User id whose limit its buffers count against; null for who may lock as much as it likes. */
    readonly uid: number | null,
  ) {}
}

/**
 * io_uring(7) as far as memory goes: one fixed buffer per registration (io_uring/rsrc.c). The ring
 * itself costs nothing here.
 */
@injectable()
export class SysIoUring {
  /** Pages that users have locked by rings, by user id (user_struct.locked_vm). */
  private readonly lockedPages = new Map<number, number>();

  constructor(@inject(GupToken) private readonly gup: Gup) {}

  /** io_uring_setup. */
  setup(task: TaskStruct): IoRing {
    return new IoRing(task.creds.capIpcLock ? null : task.creds.uid);
  }

  /** Another descriptor names the ring (fork, dup). */
  share(ring: IoRing): void {
    ring.users++;
  }

  /**
   * io_uring_register(IORING_REGISTER_BUFFERS) of one buffer: it is pinned whole or not at all.
   * @returns 0; -EBUSY if there is one already; -EFAULT; -ENOMEM
   */
  registerBuffer(task: TaskStruct, ring: IoRing, addr: number, length: number): number {
    if (ring.buffers !== null) return -EBUSY;
    if (length === 0 || addr === 0 || length > BUFFER_MAX) return -EFAULT;
    const first = vpnOf(addr);
    const pages = Math.ceil((addr + length) / PAGE_SIZE) - first;
    if ((first + pages) * PAGE_SIZE > TASK_SIZE_MAX) return -EFAULT;
    const pinned = this.gup.pinUserPages(task.mm, first, pages, task.nid);
    if (typeof pinned === 'number') return pinned;
    if (!this.account(task, ring, pages)) {
      for (const pfn of pinned) this.gup.unpin(pfn);
      return -ENOMEM;
    }
    ring.buffers = pinned;
    return 0;
  }

  /** A descriptor of the ring is closed; the last one lets the buffers go. */
  close(ring: IoRing): void {
    assert(ring.users > 0, 'a ring is closed once for each descriptor');
    ring.users--;
    if (ring.users > 0 || ring.buffers === null) return;
    for (const pfn of ring.buffers) this.gup.unpin(pfn);
    if (ring.uid !== null) {
      this.lockedPages.set(ring.uid, this.lockedOf(ring.uid) - ring.buffers.length);
    }
    ring.buffers = null;
  }

  /** __io_account_mem. @returns does the user's limit allow it? */
  private account(task: TaskStruct, ring: IoRing, pages: number): boolean {
    if (ring.uid === null) return true;
    const total = this.lockedOf(ring.uid) + pages;
    if (total > Math.floor(task.rlimits.memlock / PAGE_SIZE)) return false;
    this.lockedPages.set(ring.uid, total);
    return true;
  }

  private lockedOf(uid: number): number {
    return this.lockedPages.get(uid) ?? 0;
  }
}
export const SysIoUringToken = createToken<SysIoUring>('SysIoUring');
