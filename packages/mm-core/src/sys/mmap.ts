import {
  EACCES,
  EAGAIN,
  EBADF,
  EEXIST,
  EINVAL,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
} from '../abi/errno.js';
import {
  LEGACY_MAP_MASK,
  MAP_ANONYMOUS,
  MAP_DROPPABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_SYNC,
  MAP_TYPE,
  PROT_WRITE,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_DROPPABLE,
  VM_GROWSDOWN,
  VM_HUGETLB,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_SHARED,
  VM_SYNC,
  VM_WIPEONFORK,
} from '../abi/mman.js';
import { PAGE_SIZE, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { ANON_SHMEM_NAME } from '../mem/address-space.js';
import type { OpenFile } from '../mem/open-file.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { anonymousVma, type Vma } from '../mem/vma.js';
import { type EvictInode, EvictInodeToken } from '../mm/evict-inode.js';
import { type Files, FilesToken } from '../mm/files.js';
import { type HugetlbReserve, HugetlbReserveToken } from '../mm/hugetlb-reserve.js';
import { type Mmap, MmapToken } from '../mm/mmap.js';
import { vmFlags } from '../mm/mprotect.js';
import { type Populate, PopulateToken } from '../mm/populate.js';
import { Sysctl } from '../mm/sysctl.js';
import { unmappedArea } from '../mm/unmapped-area.js';
import { OVERCOMMIT_NEVER, type VmLimits, VmLimitsToken } from '../mm/vm-limits.js';
import { type VmaEdit, VmaEditToken } from '../mm/vma-edit.js';
import { type SyscallShadow, SyscallShadowToken } from './syscall-shadow.js';
import {
  addressOf,
  isPageAligned,
  pageAlign,
  pagesOf,
  sizeOf,
  TASK_SIZE,
  vpnOf,
} from './user-range.js';

/** What a program asks of mmap; addresses and lengths in bytes. */
export interface MmapRequest {
  /** Where, or 0. */
  readonly addr: number;
  readonly length: number;
  /** PROT_* */
  readonly prot: number;
  /** MAP_* */
  readonly flags: number;
  /** The file behind the descriptor; null if there is none open. */
  readonly file?: OpenFile | null;
  readonly offset?: number;
}

/** A request on its way: where it goes, and the flags of its area so far. */
interface Plan {
  readonly task: TaskStruct;
  readonly request: MmapRequest;
  readonly file: OpenFile | null;
  readonly start: number;
  readonly pages: number;
  readonly vmFlags: number;
}

/** mmap(2): checks as in mm/mmap.c:do_mmap. Failures are -errno, results addresses. */
@injectable()
export class SysMmap {
  constructor(
    @inject(MmapToken) private readonly areas: Mmap,
    @inject(FilesToken) private readonly files: Files,
    @inject(EvictInodeToken) private readonly evict: EvictInode,
    @inject(PopulateToken) private readonly populate: Populate,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
    @inject(VmLimitsToken) private readonly limits: VmLimits,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(HugetlbReserveToken) private readonly hugetlb: HugetlbReserve,
    @inject(SyscallShadowToken) private readonly shadow: SyscallShadow,
  ) {}

  /** @returns the address or -errno */
  mmap(task: TaskStruct, request: MmapRequest): number {
    const plan = this.plan(task, request);
    if (typeof plan === 'number') return plan;
    const kind = plan.file === null ? anonymousFlags(plan) : fileFlags(plan, plan.file);
    if (typeof kind === 'number') return kind;
    const flags = kind.flags | this.reserveFlags(request.flags);
    const area = this.area(plan, flags);
    if (area === null) return -ENOMEM;
    const rc = this.areas.region(task.mm, area);
    if (rc < 0) {
      if (area.file !== null) this.evict.released(area.file);
      return rc;
    }
    const { start, pages } = plan;
    this.shadow.clear(task.mm.id, start, pages);
    const prefault = (request.flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE;
    if (prefault || (flags & VM_LOCKED) !== 0) {
      this.populate.rangeIgnoringErrors(task.mm, start, start + pages);
    }
    return addressOf(start);
  }

  /** Everything that is checked before the kind of mapping is looked at. */
  private plan(task: TaskStruct, request: MmapRequest): Plan | number {
    const { flags, length, offset = 0 } = request;
    if (!isPageAligned(offset)) return -EINVAL;
    const file = (flags & MAP_ANONYMOUS) !== 0 ? null : (request.file ?? null);
    if (file === null && (flags & MAP_ANONYMOUS) === 0) return -EBADF;
    if (length === 0) return -EINVAL;
    const bytes = sizeOfPages(sizeOf(length), flags);
    if (bytes === 0 || !this.edit.mayAdd(task.mm)) return -ENOMEM;
    const vm = requestedFlags(request) | task.mm.defFlags;
    const addr = this.place(task, request, bytes);
    if (addr < 0) return addr;
    const start = vpnOf(addr);
    const pages = pagesOf(bytes);
    const isBusy = task.mm.within(start, start + pages).length > 0;
    if ((flags & MAP_FIXED_NOREPLACE) !== 0 && isBusy) return -EEXIST;
    if ((flags & MAP_LOCKED) !== 0 && !this.limits.canDoMlock(task)) return -EPERM;
    if (!this.limits.mlockFutureOk(task.mm, vm, pages)) return -EAGAIN;
    return { task, request, file, start, pages, vmFlags: vm };
  }

  /** get_unmapped_area, with security_mmap_addr. @returns an address or -errno */
  private place(task: TaskStruct, request: MmapRequest, bytes: number): number {
    const { flags } = request;
    const addr = sizeOf(request.addr);
    if (bytes > TASK_SIZE) return -ENOMEM;
    const lowest = this.sysctl.mmap_min_addr;
    if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
      if (addr > TASK_SIZE - bytes) return -ENOMEM;
      if (addr % pageBytes(flags) !== 0) return -EINVAL;
      return addr < lowest && !task.creds.capSysAdmin ? -EPERM : addr;
    }
    const hint = vpnOf(addr) === 0 ? 0 : vpnOf(Math.max(addr, lowest));
    const stackBytes = task.rlimits.stack;
    const pages = pagesOf(bytes);
    const isPlain = (flags & MAP_ANONYMOUS) !== 0 && (flags & MAP_TYPE) !== MAP_SHARED;
    const found = unmappedArea(task.mm, { hint, pages, stackBytes, mayAlign: isPlain });
    return found < 0 ? -ENOMEM : addressOf(found);
  }

  /** A file of its own in the pool; null if its pages can't be promised (hugetlb_file_setup). */
  private hugetlbArea({ task, pages }: Plan, plain: Vma): Vma | null {
    const file = this.files.create('hugetlb', 'anon_hugepage', pages * PAGE_SIZE);
    file.isLinked = false;
    const flags = plain.flags | VM_HUGETLB | VM_DONTEXPAND;
    const area = { ...plain, flags, file, pgoff: 0 };
    if (this.hugetlb.map(task, file, area)) return area;
    this.files.forget(file);
    return null;
  }

  private reserveFlags(mapFlags: number): number {
    const isAsked = (mapFlags & MAP_NORESERVE) !== 0;
    const isHeeded = this.sysctl.overcommit_memory !== OVERCOMMIT_NEVER;
    return isAsked && isHeeded ? VM_NORESERVE : 0;
  }

  /** The area; null if shared memory would be more than can be kept (shmem_acct_size). */
  private area(plan: Plan, flags: number): Vma | null {
    const { task, start, pages, file, request } = plan;
    const plain = anonymousVma(start, start + pages, flags);
    if (file !== null) {
      const { mapping, ra = null } = file;
      return { ...plain, file: mapping, ra, pgoff: vpnOf(request.offset ?? 0) };
    }
    if ((request.flags & MAP_HUGETLB) !== 0) return this.hugetlbArea(plan, plain);
    if ((flags & VM_SHARED) === 0) return plain;
    const isCharged = (flags & VM_NORESERVE) === 0;
    if (isCharged && !this.limits.enoughMemory(task.mm, pages)) return null;
    const zero = this.files.create('shmem', ANON_SHMEM_NAME, pages * PAGE_SIZE);
    zero.isLinked = false;
    return { ...plain, file: zero, pgoff: 0 };
  }
}
export const SysMmapToken = createToken<SysMmap>('SysMmap');

const HUGE_BYTES = PTRS_PER_PTE * PAGE_SIZE;

/** Size of the pages that a mapping is made of. */
function pageBytes(mapFlags: number): number {
  return (mapFlags & MAP_HUGETLB) !== 0 ? HUGE_BYTES : PAGE_SIZE;
}

/** A length rounded up to whole pages of the mapping; 0 if that wraps. */
function sizeOfPages(length: number, mapFlags: number): number {
  if ((mapFlags & MAP_HUGETLB) === 0) return pageAlign(length);
  return pageAlign(Math.ceil(length / HUGE_BYTES) * HUGE_BYTES);
}

/** Largest file there can be (MAX_LFS_FILESIZE). */
const FILE_BYTES_MAX = 2 ** 63;

/** calc_vm_prot_bits, calc_vm_flag_bits. */
function requestedFlags({ prot, flags }: MmapRequest): number {
  return (
    vmFlags(prot) |
    ((flags & MAP_GROWSDOWN) !== 0 ? VM_GROWSDOWN : 0) |
    ((flags & MAP_LOCKED) !== 0 ? VM_LOCKED : 0) |
    ((flags & MAP_SYNC) !== 0 ? VM_SYNC : 0) |
    ((flags & MAP_STACK) !== 0 ? VM_NOHUGEPAGE : 0) |
    VM_MAYREAD |
    VM_MAYWRITE |
    VM_MAYEXEC
  );
}

function anonymousFlags({ request, vmFlags: vm }: Plan): { readonly flags: number } | number {
  const isStack = (vm & VM_GROWSDOWN) !== 0;
  switch (request.flags & MAP_TYPE) {
    case MAP_SHARED:
      return isStack ? -EINVAL : { flags: vm | VM_SHARED | VM_MAYSHARE };
    case MAP_DROPPABLE:
      if ((request.flags & (MAP_LOCKED | MAP_HUGETLB)) !== 0 || isStack) return -EINVAL;
      return { flags: vm | VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP };
    case MAP_PRIVATE:
      return { flags: vm };
    default:
      return -EINVAL;
  }
}

function fileFlags(plan: Plan, file: OpenFile): { readonly flags: number } | number {
  const { request, pages, vmFlags: vm } = plan;
  const type = request.flags & MAP_TYPE;
  const lastByte = FILE_BYTES_MAX - pages * PAGE_SIZE;
  if ((request.offset ?? 0) > lastByte) return -EOVERFLOW;
  if (type !== MAP_SHARED && type !== MAP_SHARED_VALIDATE && type !== MAP_PRIVATE) return -EINVAL;
  const isStrict = type === MAP_SHARED_VALIDATE;
  if (isStrict && (request.flags & ~LEGACY_MAP_MASK) !== 0) return -EOPNOTSUPP;
  const isShared = type !== MAP_PRIVATE;
  if (isShared && (request.prot & PROT_WRITE) !== 0 && !file.canWrite) return -EACCES;
  if (!file.canRead) return -EACCES;
  if ((vm & VM_GROWSDOWN) !== 0) return -EINVAL;
  if (!isShared) return { flags: vm };
  if (file.canWrite) return { flags: vm | VM_SHARED | VM_MAYSHARE };
  return { flags: (vm & ~VM_MAYWRITE) | VM_MAYSHARE };
}
