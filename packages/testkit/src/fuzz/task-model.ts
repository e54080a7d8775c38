import {
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_DONTCOPY,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYREAD,
  VM_READ,
  VM_WIPEONFORK,
  VM_WRITE,
} from '@mm-lab/mm-core';
import { SideModel } from './side-model.js';

/** Pages of address space that a fuzzed task uses. Below the model's limit of a stack. */
export const WINDOW_PAGES = 1024;

/** Contents may be zeroes at any read until the next store (MADV_FREE). */
export const MARK_LAZY = 1;
/** A guard stands there: every access is SIGSEGV (MADV_GUARD_INSTALL). */
export const MARK_GUARD = 2;
/** A userfaultfd may watch it: an access may be SIGBUS. */
export const MARK_UFFD = 4;

/** Pages that a stack keeps away from what lies below it. */
const STACK_GUARD_GAP = 256;
/** No stack grows below it (vm.mmap_min_addr). */
const LOWEST_PAGE = 16;

const VM_PROT_MASK = VM_READ | VM_WRITE | VM_EXEC;
/** Set on every mapped page of the model. */
const MAPPED = VM_MAYREAD;

/**
 * What one program may expect of its memory, kept apart from the machine: per page of a window its
 * vma flags and the identity of what it stored last. It has no notion of frames, swap or migration,
 * and no code of mm-core.
 */
export class TaskModel {
  /** Contents a read must find; 0 = zeroes. */
  readonly content = new Int32Array(WINDOW_PAGES);
  /** The next access finds poison. */
  readonly poisoned = new Uint8Array(WINDOW_PAGES);
  /** MARK_* of each page. */
  readonly marks = new Uint8Array(WINDOW_PAGES);
  /** Frame of each page that is pinned: it may not change under the program. */
  readonly pinned = new Map<number, number>();
  /**
   * What looks like one area may be several: areas that a fork copied merge with no new ones
   * (their anon_vma has a parent) or differed by VM_LOCKED only, and memory that was moved kept
   * its page offset.
   */
  unmerged = false;
  /** What is mapped beside the window. */
  side = new SideModel();
  private readonly flags = new Int32Array(WINDOW_PAGES);

  constructor(
    readonly task: Task,
    /** First virtual page of the window. */
    readonly base: number,
  ) {}

  vpn(index: number): number {
    return this.base + index;
  }

  isMapped(index: number): boolean {
    return this.flags[index] !== 0;
  }

  isLocked(index: number): boolean {
    return (this.flags[index]! & VM_LOCKED) !== 0;
  }

  /**
   * Would a load or store be allowed, growing a stack if need be? x86 cannot forbid loads where it
   * allows stores; execution alone allows neither.
   */
  allows(index: number, write: boolean): boolean {
    this.growStack(index);
    if ((this.marks[index]! & MARK_GUARD) !== 0) return false;
    return (this.flags[index]! & (write ? VM_WRITE : VM_READ | VM_WRITE)) !== 0;
  }

  map(start: number, count: number, prot: number, extra: number): void {
    this.unmap(start, count);
    this.flags.fill(MAPPED | protFlags(prot) | extra, start, start + count);
  }

  unmap(start: number, count: number): void {
    this.flags.fill(0, start, start + count);
    this.marks.fill(0, start, start + count);
    this.drop(start, count);
  }

  has(index: number, flag: number): boolean {
    return (this.flags[index]! & flag) !== 0;
  }

  /** Flags of a mapped page change. */
  change(index: number, set: number, clear: number): void {
    this.flags[index] = (this.flags[index]! & ~clear) | set;
  }

  marked(index: number, mark: number): boolean {
    return (this.marks[index]! & mark) !== 0;
  }

  /** @param mark MARK_* to set; or to clear, negated by `~` */
  mark(index: number, mark: number): void {
    this.marks[index] = mark >= 0 ? this.marks[index]! | mark : this.marks[index]! & mark;
  }

  /** The contents of the range are zeroes from now on. */
  drop(start: number, count: number): void {
    this.content.fill(0, start, start + count);
    this.poisoned.fill(0, start, start + count);
    for (let at = start; at < start + count; at++) this.mark(at, ~MARK_LAZY);
    for (let at = start; at < start + count; at++) this.pinned.delete(at);
  }

  /** mprotect: up to the first hole. @returns was there none? */
  protect(start: number, count: number, prot: number): boolean {
    for (let at = start; at < start + count; at++) {
      if (!this.isMapped(at)) return false;
      this.flags[at] = (this.flags[at]! & ~VM_PROT_MASK) | protFlags(prot);
    }
    return true;
  }

  /** mlock or munlock: up to the first hole. @returns was there none? */
  lock(start: number, count: number, flag: number): boolean {
    for (let at = start; at < start + count; at++) {
      if (!this.isMapped(at)) return false;
      this.flags[at] = (this.flags[at]! & ~VM_LOCKED) | flag;
    }
    return true;
  }

  covers(start: number, count: number): boolean {
    for (let at = start; at < start + count; at++) if (!this.isMapped(at)) return false;
    return true;
  }

  /** Is the range one vma? */
  isOneVma(start: number, count: number): boolean {
    const first = this.flags[start]!;
    for (let at = start; at < start + count; at++) if (this.flags[at] !== first) return false;
    return first !== 0;
  }

  /** mremap of equal lengths: every page that is mapped moves, also of several areas. */
  moveAll(from: number, count: number, to: number): void {
    for (let at = 0; at < count; at++) {
      if (this.isMapped(from + at)) this.move(from + at, 1, to + at, 1);
    }
  }

  /** mremap to another place. */
  move(from: number, count: number, to: number, newCount: number): void {
    const kept = Math.min(count, newCount);
    this.unmerged = true;
    const flags = this.flags[from]!;
    const content = this.content.slice(from, from + kept);
    const poisoned = this.poisoned.slice(from, from + kept);
    const marks = this.marks.slice(from, from + kept);
    const pinned = [...this.pinned].filter(([at]) => at >= from && at < from + kept);
    this.unmap(to, newCount);
    this.unmap(from, count);
    this.flags.fill(flags, to, to + newCount);
    this.content.set(content, to);
    this.poisoned.set(poisoned, to);
    this.marks.set(marks, to);
    for (const [at, pfn] of pinned) this.pinned.set(at - from + to, pfn);
  }

  /** mremap in place to more pages. */
  grow(start: number, count: number, newCount: number): void {
    this.flags.fill(this.flags[start]!, start + count, start + newCount);
  }

  /** What a child has at the fork. */
  fork(child: Task): TaskModel {
    const model = new TaskModel(child, this.base);
    model.unmerged = true;
    model.side = this.side.fork();
    for (let at = 0; at < WINDOW_PAGES; at++) {
      if ((this.flags[at]! & VM_DONTCOPY) !== 0) continue;
      model.flags[at] = this.flags[at]! & ~VM_LOCKED;
      if ((this.flags[at]! & VM_WIPEONFORK) !== 0) continue;
      model.marks[at] = this.marks[at]! & ~MARK_UFFD;
      model.content[at] = this.content[at]!;
      model.poisoned[at] = this.poisoned[at]!;
    }
    return model;
  }

  private growStack(index: number): void {
    if (this.isMapped(index) || this.vpn(index) < LOWEST_PAGE) return;
    let above = index + 1;
    while (above < WINDOW_PAGES && !this.isMapped(above)) above++;
    if (above === WINDOW_PAGES || (this.flags[above]! & VM_GROWSDOWN) === 0) return;
    let below = index - 1;
    while (below >= 0 && !this.isMapped(below)) below--;
    const isNear = below >= 0 && index - below <= STACK_GUARD_GAP;
    const neighbour = this.flags[below] ?? 0;
    const isOther = (neighbour & VM_PROT_MASK) !== 0 && (neighbour & VM_GROWSDOWN) === 0;
    if (isNear && isOther) return;
    this.flags.fill(this.flags[above]!, index, above);
    this.marks.fill(this.marks[above]! & MARK_UFFD, index, above);
  }
}

function protFlags(prot: number): number {
  return (
    ((prot & PROT_READ) !== 0 ? VM_READ : 0) |
    ((prot & PROT_WRITE) !== 0 ? VM_WRITE : 0) |
    ((prot & PROT_EXEC) !== 0 ? VM_EXEC : 0)
  );
}
