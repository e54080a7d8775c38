import { EINTR } from '../abi/errno.js';
import {
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
} from '../abi/mman.js';
import { PAGE_SIZE } from '../abi/zone.js';
import type { TaskStruct } from '../mem/task-struct.js';
import type { MmStruct } from '../mem/vma.js';
import type { MoveResult } from '../mm/move-pages.js';
import { vmFlags } from '../mm/mprotect.js';
import { SyscallShadow } from '../sys/syscall-shadow.js';
import type { AccessResult } from './access-engine.js';
import type { Machine } from './machine.js';

/**
 * A task: one CPU running in one address space. Its methods are the system calls and accesses of a
 * program; ranges are in virtual pages. Each moves the clock by what it cost. Failures are `-errno`
 * as in the kernel.
 */
export class Task {
  /** What mm knows of the task. */
  readonly struct: TaskStruct;
  private readonly shadow: SyscallShadow;

  constructor(
    private readonly machine: Machine,
    readonly mm: MmStruct,
    nid: number,
  ) {
    this.struct = machine.tasks.create(mm.name, mm, machine.nodes.firstCpuOf(nid));
    this.struct.nid = nid;
    this.shadow = new SyscallShadow(machine.ptes);
  }

  get alive(): boolean {
    return this.struct.alive;
  }

  /** Node of its CPU. */
  get nid(): number {
    return this.struct.nid;
  }

  set nid(nid: number) {
    this.struct.nid = nid;
    this.struct.cpu = this.machine.nodes.firstCpuOf(nid);
  }

  /** Loads or stores the first word of a page, `n` times. */
  access(vpn: number, write: boolean, n = 1): AccessResult {
    const { engine, work } = this.machine;
    work.runAs(this.struct);
    for (let left = n; left > 0; ) {
      const { done, result } = engine.access(this.mm, vpn, write, this.nid, left);
      if (result === 'killed') this.exit();
      if (result !== 'ok') return result;
      if (!write) engine.shadow.counts.readsChecked += done;
      left -= done;
    }
    return 'ok';
  }

  read(vpn: number, n = 1): AccessResult {
    return this.access(vpn, false, n);
  }

  write(vpn: number, n = 1): AccessResult {
    return this.access(vpn, true, n);
  }

  /**
   * mmap(MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS). @param prot PROT_* @param extra further VM_*
   * flags
   */
  mmap(start: number, pages: number, prot = PROT_READ | PROT_WRITE, extra = 0): number {
    const flags = vmFlags(prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | extra;
    return this.call(() => {
      const rc = this.machine.mmap.mmap(this.mm, start, pages, flags);
      if (rc === 0) this.shadow.clear(this.mm.id, start, pages);
      return rc;
    });
  }

  munmap(start: number, pages: number): number {
    const { munmap } = this.machine.sys;
    return this.call(() => munmap.munmap(this.struct, start * PAGE_SIZE, pages * PAGE_SIZE));
  }

  /** mremap(MREMAP_MAYMOVE | MREMAP_FIXED); to where it is: mremap without flags. */
  mremap(from: number, pages: number, to: number, newPages: number): number {
    const rc = this.call(() =>
      this.machine.sys.mremap.mremap(this.struct, {
        addr: from * PAGE_SIZE,
        oldLength: pages * PAGE_SIZE,
        newLength: newPages * PAGE_SIZE,
        flags: to === from ? 0 : MREMAP_MAYMOVE | MREMAP_FIXED,
        newAddr: to * PAGE_SIZE,
      }),
    );
    return Math.min(rc, 0);
  }

  /** mprotect. @param prot PROT_* */
  mprotect(start: number, pages: number, prot: number): number {
    const { mprotect } = this.machine.sys;
    const length = pages * PAGE_SIZE;
    return this.call(() => mprotect.mprotect(this.struct, start * PAGE_SIZE, length, prot));
  }

  /** madvise. @param advice MADV_* */
  madvise(start: number, pages: number, advice: number): number {
    const { madvise } = this.machine.sys;
    const length = pages * PAGE_SIZE;
    return this.call(() => madvise.madvise(this.struct, start * PAGE_SIZE, length, advice));
  }

  mlock(start: number, pages: number): number {
    const { mlock } = this.machine.sys;
    return this.call(() => mlock.mlock(this.struct, start * PAGE_SIZE, pages * PAGE_SIZE));
  }

  munlock(start: number, pages: number): number {
    const { mlock } = this.machine.sys;
    return this.call(() => mlock.munlock(this.struct, start * PAGE_SIZE, pages * PAGE_SIZE));
  }

  /** move_pages(MPOL_MF_MOVE) of pages to one node. */
  movePages(vpns: readonly number[], nid: number): MoveResult {
    this.machine.work.runAs(this.struct);
    const result = this.machine.movePages.move(this.mm, vpns, nid);
    this.machine.spend();
    return result;
  }

  /** Node of each page or -errno (move_pages with nodes NULL). */
  where(vpns: readonly number[]): number[] {
    return this.machine.movePages.stat(this.mm, vpns);
  }

  /** Pins a page for long (FOLL_LONGTERM). @returns pfn or -errno */
  pinLongterm(vpn: number): number {
    this.machine.work.runAs(this.struct);
    const pfn = this.machine.gup.pinLongterm(this.mm, vpn, this.nid);
    this.machine.spend();
    return pfn;
  }

  unpin(pfn: number): void {
    this.machine.gup.unpin(pfn);
  }

  /**
   * fork: the child shares every page copy-on-write.
   * @returns the child; -ENOMEM; -EINTR if the parent was killed meanwhile (dup_mmap)
   */
  fork(name: string): Task | number {
    this.machine.work.runAs(this.struct);
    const child = this.machine.mms.create(name);
    const copied = this.machine.fork.dupMmap(this.mm, child, this.nid);
    const killed = this.machine.oom.isVictim(this.mm.id);
    const rc = copied === 0 && killed ? -EINTR : copied;
    const task = new Task(this.machine, child, this.nid);
    task.struct.inherit(this.struct);
    this.machine.cgroups.enter(task.struct, this.machine.cgroups.groupOf(this.struct));
    this.shadow.copyTo(this.mm, child);
    this.machine.spend();
    if (rc === 0) return task;
    task.exit();
    return rc;
  }

  /** Unmaps everything (do_exit, exit_mmap) on its own CPU; then whoever ran before goes on. */
  exit(): void {
    if (!this.alive) return;
    const { work } = this.machine;
    const { current, cpuNid } = work;
    work.runAs(this.struct);
    this.machine.tasks.delete(this.struct);
    this.machine.cgroups.leave(this.struct);
    this.machine.releaseMm(this.mm);
    this.machine.spend();
    work.current = current === this.struct ? null : current;
    work.cpuNid = cpuNid;
  }

  private call(run: () => number): number {
    this.machine.work.runAs(this.struct);
    const rc = run();
    this.machine.spend();
    return rc;
  }
}
