import { EBUSY, EINVAL, EPERM } from '../abi/errno.js';
import {
  VM_DROPPABLE,
  VM_HUGETLB,
  VM_MAYWRITE,
  VM_UFFD_MINOR,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
} from '../abi/mman.js';
import {
  UFFD_API_FEATURES,
  UFFD_FEATURE_EVENT_FORK,
  UFFDIO_CONTINUE_MODE_DONTWAKE,
  UFFDIO_CONTINUE_MODE_WP,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_POISON_MODE_DONTWAKE,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
  UFFDIO_WRITEPROTECT_MODE_WP,
  UFFDIO_ZEROPAGE_MODE_DONTWAKE,
} from '../abi/userfaultfd.js';
import { PAGE_SIZE, PTRS_PER_PTE } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type UffdMsg, UserfaultfdCtx } from '../mem/userfaultfd.js';
import type { Vma } from '../mem/vma.js';
import { type UffdReaders, UffdReadersToken } from '../mm/uffd-readers.js';
import { filledOr, type Userfaultfd, UserfaultfdToken } from '../mm/userfaultfd.js';
import type { ByteRange } from './madvise.js';
import { isPageAligned, type PageRange, pageRange, sizeOf, TASK_SIZE } from './user-range.js';

/**
 * userfaultfd(2) and its ioctls, with their checks in the order of mm/userfaultfd.c. Simplified: no
 * UFFDIO_MOVE and _RWPROTECT; sleepers wake by what is filled in or freed, so there is no
 * UFFDIO_WAKE and the modes DONTWAKE are taken and change nothing.
 */
@injectable()
export class SysUserfaultfd {
  constructor(
    @inject(UserfaultfdToken) private readonly userfaultfd: Userfaultfd,
    @inject(UffdReadersToken) private readonly readers: UffdReaders,
  ) {}

  /** userfaultfd. @returns the context or -EPERM (vm.unprivileged_userfaultfd is 0) */
  open(task: TaskStruct): UserfaultfdCtx | number {
    return task.creds.capSysPtrace ? new UserfaultfdCtx(task.mm) : -EPERM;
  }

  /** UFFDIO_API, once. @param features UFFD_FEATURE_* */
  api(task: TaskStruct, ctx: UserfaultfdCtx, features: number): number {
    if ((features & UFFD_FEATURE_EVENT_FORK) !== 0 && !task.creds.capSysPtrace) return -EPERM;
    if ((features & ~UFFD_API_FEATURES) !== 0) return -EINVAL;
    if (ctx.features !== null) return -EINVAL;
    ctx.features = features;
    return 0;
  }

  /**
   * Somebody reads it from now on. @param onMessage is called for each message, while the task that
   * caused it waits: whatever ioctls it does there are what it waits for
   */
  read(ctx: UserfaultfdCtx, onMessage: (msg: UffdMsg) => void): void {
    ctx.reader = this.readers.create(onMessage);
  }

  /** Another descriptor names it (fork, dup). */
  share(ctx: UserfaultfdCtx): void {
    ctx.users++;
  }

  /** A descriptor is closed; the last one frees every area (userfaultfd_release). */
  close(ctx: UserfaultfdCtx): void {
    assert(ctx.users > 0, 'a userfaultfd is closed once for each descriptor');
    ctx.users--;
    if (ctx.users > 0) return;
    const ours = ctx.mm.vmas.filter((vma) => vma.uffd === ctx);
    this.userfaultfd.unregister(ctx.mm, ours);
  }

  /** UFFDIO_REGISTER; write protection stays where it is. @param mode UFFDIO_REGISTER_MODE_* */
  register(ctx: UserfaultfdCtx, { addr, length }: ByteRange, mode: number): number {
    const all = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR;
    if (mode === 0 || (mode & ~all) !== 0) return -EINVAL;
    const range = validRange(ctx, addr, length);
    if (range === null) return -EINVAL;
    const parts = ctx.mm.within(range.start, range.end);
    if (parts.length === 0) return -EINVAL;
    const modes = vmFlagsOf(mode);
    if (cutsHuge(parts[0], range.start)) return -EINVAL;
    for (const part of parts) {
      if (!canUserfault(part, modes)) return -EINVAL;
      if ((part.flags & VM_MAYWRITE) === 0) return -EPERM;
      if (part.end === range.end && cutsHuge(part, range.end)) return -EINVAL;
      if (part.uffd !== null && part.uffd !== ctx) return -EBUSY;
      if ((part.flags & VM_UFFD_WP & ~modes) !== 0) return -EBUSY;
    }
    return this.userfaultfd.registerRange(ctx, parts, modes);
  }

  /** UFFDIO_UNREGISTER. */
  unregister(ctx: UserfaultfdCtx, { addr, length }: ByteRange): number {
    const range = validRange(ctx, addr, length);
    if (range === null) return -EINVAL;
    const parts = ctx.mm.within(range.start, range.end);
    if (parts.length === 0) return -EINVAL;
    if (cutsHuge(parts[0], range.start)) return -EINVAL;
    for (const part of parts) {
      if (part.uffd !== null && part.uffd !== ctx) return -EINVAL;
      if (!canUserfault(part, part.flags)) return -EINVAL;
    }
    return this.userfaultfd.unregister(ctx.mm, parts);
  }

  /** UFFDIO_WRITEPROTECT. @param mode UFFDIO_WRITEPROTECT_MODE_* */
  writeProtect(ctx: UserfaultfdCtx, { addr, length }: ByteRange, mode: number): number {
    const range = validRange(ctx, addr, length);
    if (range === null) return -EINVAL;
    const both = UFFDIO_WRITEPROTECT_MODE_WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE;
    if ((mode & ~both) !== 0 || (mode & both) === both) return -EINVAL;
    const to = (mode & UFFDIO_WRITEPROTECT_MODE_WP) !== 0 ? 'protected' : 'free';
    return this.userfaultfd.writeProtect(ctx.mm, ctx.mm.within(range.start, range.end), to);
  }

  /** UFFDIO_COPY of pages that hold what the program would store now. */
  copy(ctx: UserfaultfdCtx, { addr, length }: ByteRange, mode: number): number {
    const range = validRange(ctx, addr, length);
    if (range === null) return -EINVAL;
    if ((mode & ~(UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP)) !== 0) return -EINVAL;
    const isProtected = (mode & UFFDIO_COPY_MODE_WP) !== 0;
    return filledOr(this.userfaultfd.fill(ctx, range, 'data', isProtected), range.pages);
  }

  /** UFFDIO_ZEROPAGE. */
  zeropage(ctx: UserfaultfdCtx, { addr, length }: ByteRange, mode: number): number {
    const range = validRange(ctx, addr, length);
    if (range === null || (mode & ~UFFDIO_ZEROPAGE_MODE_DONTWAKE) !== 0) return -EINVAL;
    return filledOr(this.userfaultfd.fill(ctx, range, 'zeroes', false), range.pages);
  }

  /** UFFDIO_CONTINUE: maps what the file has. @param mode UFFDIO_CONTINUE_MODE_* */
  continue(ctx: UserfaultfdCtx, { addr, length }: ByteRange, mode: number): number {
    const range = validRange(ctx, addr, length);
    if (range === null) return -EINVAL;
    if ((mode & ~(UFFDIO_CONTINUE_MODE_DONTWAKE | UFFDIO_CONTINUE_MODE_WP)) !== 0) return -EINVAL;
    const isProtected = (mode & UFFDIO_CONTINUE_MODE_WP) !== 0;
    return filledOr(this.userfaultfd.fill(ctx, range, 'cached', isProtected), range.pages);
  }

  /** UFFDIO_POISON: SIGBUS for whoever touches the holes. @param mode UFFDIO_POISON_MODE_* */
  poison(ctx: UserfaultfdCtx, { addr, length }: ByteRange, mode: number): number {
    const range = validRange(ctx, addr, length);
    if (range === null || (mode & ~UFFDIO_POISON_MODE_DONTWAKE) !== 0) return -EINVAL;
    return filledOr(this.userfaultfd.fill(ctx, range, 'poison', false), range.pages);
  }
}
export const SysUserfaultfdToken = createToken<SysUserfaultfd>('SysUserfaultfd');

/** validate_range, and UFFDIO_API must have gone before; null is -EINVAL. */
function validRange(ctx: UserfaultfdCtx, addr: number, length: number): PageRange | null {
  if (ctx.features === null) return null;
  const bytes = sizeOf(length);
  if (!isPageAligned(addr) || bytes % PAGE_SIZE !== 0 || bytes === 0) return null;
  if (addr < 0 || addr >= TASK_SIZE || bytes > TASK_SIZE - addr) return null;
  return pageRange(addr, bytes);
}

function vmFlagsOf(mode: number): number {
  return (
    ((mode & UFFDIO_REGISTER_MODE_MISSING) !== 0 ? VM_UFFD_MISSING : 0) |
    ((mode & UFFDIO_REGISTER_MODE_WP) !== 0 ? VM_UFFD_WP : 0) |
    ((mode & UFFDIO_REGISTER_MODE_MINOR) !== 0 ? VM_UFFD_MINOR : 0)
  );
}

/** vma_can_userfault: anonymous, shared or hugetlb memory; minor faults are those of a file. */
function canUserfault({ flags, file }: Vma, modes: number): boolean {
  if ((flags & VM_DROPPABLE) !== 0) return false;
  if ((modes & VM_UFFD_MINOR) !== 0 && file === null) return false;
  return file === null || file.kind === 'shmem' || (flags & VM_HUGETLB) !== 0;
}

/** Does the edge of a range lie inside a page of a hugetlb area? */
function cutsHuge(vma: Vma | undefined, edge: number): boolean {
  return vma !== undefined && (vma.flags & VM_HUGETLB) !== 0 && edge % PTRS_PER_PTE !== 0;
}
