import {
  __GFP_DIRECT_RECLAIM,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '@mm-lab/mm-core';
import type { StepOf } from './isolation-step.js';
import { FRESH_PAGES, type IsolationWorld, PROGRAM_PAGES } from './isolation-world.js';

const GROUPS = '/sys/fs/cgroup';
/** The group that `narrow` and `limit` change. */
const GROUP = 'all';
/** Where shared memory is mapped. */
const SHARED_VPN = 4096;

/** Allocations and system calls of the isolation search. */
export class IsolationCalls {
  constructor(private readonly world: IsolationWorld) {}

  alloc({ gfp, order, nid }: StepOf<'alloc'>): void {
    const { machine, held } = this.world;
    const request = { gfp, order, nid, nodemask: null };
    const fast = (gfp & __GFP_DIRECT_RECLAIM) === 0;
    const { zoneAlloc, pageAlloc } = machine;
    const pfn = fast ? zoneAlloc.getPageFromFreelist(request, 'none') : pageAlloc.alloc(request);
    if (pfn >= 0) held.push(pfn);
    else this.world.release();
  }

  write({ task, pages }: Pick<StepOf<'write'>, 'task' | 'pages'>): void {
    this.fill(this.world.task(task), 0, pages);
    this.world.machine.folios.lruAddDrainAll();
  }

  policy({ task, mode, mask }: StepOf<'policy'>): void {
    const found = this.world.task(task);
    this.world.machine.sys.setMempolicy.setMempolicy(found.struct, mode, maskOf(mask));
    this.refill(found);
  }

  bind({ mode, mask, flags }: StepOf<'bind'>): void {
    const task = this.world.task(0);
    const { machine } = this.world;
    machine.work.runAs(task.struct);
    const len = PROGRAM_PAGES * PAGE_SIZE;
    machine.sys.mbind.mbind(task.struct, { start: 0, len, mode, mask: maskOf(mask), flags });
    task.madvise(0, FRESH_PAGES, MADV_DONTNEED);
    this.fill(task, 0, FRESH_PAGES);
  }

  home({ mode, mask, nid }: StepOf<'home'>): void {
    this.bind({ kind: 'bind', mode, mask, flags: 0 });
    const task = this.world.task(0);
    const args = { start: 0, len: PROGRAM_PAGES * PAGE_SIZE, homeNode: nid, flags: 0 };
    this.world.machine.sys.setMempolicyHomeNode.setMempolicyHomeNode(task.struct, args);
    task.madvise(0, FRESH_PAGES, MADV_DONTNEED);
    this.fill(task, 0, FRESH_PAGES);
  }

  move({ nid, pages }: StepOf<'move'>): void {
    const vpns = Array.from({ length: pages }, (_, vpn) => vpn);
    this.world.task(0).movePages(vpns, nid);
  }

  migrate({ from, to }: StepOf<'migrate'>): void {
    const { struct } = this.world.task(0);
    const { work, sys } = this.world.machine;
    work.runAs(struct);
    sys.migratePages.migratePages(struct, { pid: 0, from: maskOf(from), to: maskOf(to) });
  }

  /** A group of its own for the task. */
  confine({ task, mask }: StepOf<'confine'>): void {
    this.join(this.world.task(task), this.world.name('g'), mask);
  }

  /** The mems of a group change while tasks are in it. */
  narrow({ mask }: StepOf<'narrow'>): void {
    const { cgroups, pseudoFiles } = this.world.machine;
    const task = this.world.task(0);
    if (cgroups.find(GROUP) === null) this.join(task, GROUP, 1);
    pseudoFiles.write(`${GROUPS}/${GROUP}/cpuset.mems`, maskOf(mask).nodes.join());
    if (this.world.wrong === null) this.refill(task);
  }

  limit({ pages }: StepOf<'limit'>): void {
    const { cgroups, pseudoFiles } = this.world.machine;
    if (cgroups.find(GROUP) === null) this.join(this.world.task(0), GROUP, 1);
    cgroups.writeSubtreeControl(cgroups.root, '+memory');
    pseudoFiles.write(`${GROUPS}/${GROUP}/memory.high`, String(pages * PAGE_SIZE));
    this.write({ task: 0, pages: 2 * pages });
    pseudoFiles.write(`${GROUPS}/${GROUP}/memory.high`, 'max');
  }

  fork({ pages }: StepOf<'fork'>): void {
    const task = this.world.task(0);
    this.fill(task, 0, FRESH_PAGES);
    const child = task.alive ? task.fork(this.world.name('child')) : -1;
    if (typeof child === 'number') return;
    this.fill(child, 0, Math.min(pages, PROGRAM_PAGES));
    this.fill(task, 0, FRESH_PAGES);
    child.exit();
  }

  mremap({ to }: StepOf<'mremap'>): void {
    const task = this.world.task(0);
    this.fill(task, 0, FRESH_PAGES);
    const there = PROGRAM_PAGES + to;
    task.mremap(0, FRESH_PAGES, there, 2 * FRESH_PAGES);
    this.fill(task, there, 2 * FRESH_PAGES);
    if (!task.alive) return;
    task.munmap(there, 2 * FRESH_PAGES);
    task.mmap(0, FRESH_PAGES);
  }

  /** Shared memory with a policy. */
  share({ mode, mask }: StepOf<'share'>): void {
    const { struct, alive } = this.world.task(0);
    if (!alive) return;
    const { machine } = this.world;
    const range = { addr: SHARED_VPN * PAGE_SIZE, length: FRESH_PAGES * PAGE_SIZE };
    const flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
    const request = { ...range, prot: PROT_READ | PROT_WRITE, flags };
    machine.sys.mmap.mmap(struct, request);
    const policy = { start: range.addr, len: range.length, mode, mask: maskOf(mask), flags: 0 };
    machine.sys.mbind.mbind(struct, policy);
    const task = this.world.task(0);
    this.fill(task, SHARED_VPN, FRESH_PAGES);
    if (task.alive) task.munmap(SHARED_VPN, FRESH_PAGES);
  }

  pin({ page }: StepOf<'pin'>): void {
    const task = this.world.task(0);
    const pfn = task.pinLongterm(page);
    if (pfn >= 0) task.unpin(pfn);
  }

  pageout(): void {
    this.world.task(0).madvise(0, PROGRAM_PAGES, MADV_PAGEOUT);
  }

  /** Takes pages anew in an area without a policy of its own. */
  refill(task: Task): void {
    if (!task.alive) return;
    task.munmap(0, FRESH_PAGES);
    task.mmap(0, FRESH_PAGES);
    this.fill(task, 0, FRESH_PAGES);
  }

  private fill(task: Task, start: number, pages: number): void {
    for (let vpn = start; vpn < start + pages && task.alive; vpn++) task.write(vpn);
  }

  private join(task: Task, name: string, mask: number): void {
    const { cgroups, pseudoFiles } = this.world.machine;
    cgroups.writeSubtreeControl(cgroups.root, '+cpuset');
    cgroups.mkdir(name);
    const group = cgroups.find(name);
    if (group === null) return;
    pseudoFiles.write(`${GROUPS}/${name}/cpuset.mems`, maskOf(mask).nodes.join());
    cgroups.attach(task.struct, group);
    if (this.world.wrong === null) this.refill(task);
  }
}

function maskOf(bits: number): { nodes: number[]; maxnode: number } {
  return { nodes: [0, 1, 2, 3].filter((nid) => (bits & (1 << nid)) !== 0), maxnode: 65 };
}
