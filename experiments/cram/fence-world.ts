/**
 * A small world for the write fence: programs with anonymous memory, a huge page, shared memory and
 * a file, most of it on the node, and everything a program or the kernel may do to it.
 */
import type { CramOptions } from '@mm-lab/cram';
import {
  type AddressSpace,
  DmaToken,
  MADV_PAGEOUT,
  MmError,
  PageCacheToken,
  PROT_READ,
  PROT_WRITE,
  PTE_TYPE_SWAP,
  pteMapsPage,
  pteType,
  type Task,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '@mm-lab/mm-core';
import {
  type NodePrivateOptions,
  NodePrivateToken,
  NP_OPS_PROTECT_WRITE,
} from '@mm-lab/node-private';
import { type CramLab, cramLab, DEVICE, demote, pageRange, sizedPages } from './kit.ts';
import { causeWatcher, type StoreCauses } from './store-causes.ts';

/** Areas of every program, in pages: first page and how many. */
export const ANON = [0, 48] as const;
export const SHARED = [1024, 32] as const;
export const HUGE = [2048, 512] as const;
/** Of a regular file. */
export const FILE = [3072, 16] as const;
export type Area = readonly [from: number, pages: number];

export const RW = PROT_READ | PROT_WRITE;
const SECTOR = 64;

/** Ways that may lead around the fence; each is counted when a page of the device was on it. */
export const WAYS = [
  'mprotect to writable',
  'store after fork and exit',
  'pin for writing',
  'split of a huge page',
  'swap-in',
  'swap-in from the swap cache',
  'move_pages',
  'write(2) to shared memory',
  'write(2) to a file',
] as const;
export type Way = (typeof WAYS)[number];

export interface FenceOptions {
  readonly nodePrivate: NodePrivateOptions;
  readonly cram?: CramOptions;
  /** Map one huge page too. Default false. */
  readonly huge?: boolean;
  /** Default 'up'; 'down': CRAM's ops without NP_OPS_PROTECT_WRITE. */
  readonly fence?: 'up' | 'down';
}

/** The machine, its programs and the file that they share. */
export class FenceWorld {
  readonly lab: CramLab;
  readonly causes: StoreCauses;
  readonly file: AddressSpace;
  readonly regular: AddressSpace;
  readonly tasks: Task[] = [];
  /** Times that a program took a way with a page of the device. */
  readonly taken = new Map<Way, number>();
  /** Pages of the device that a process left to its relatives. */
  private readonly inherited = new Set<number>();
  private readonly options: FenceOptions;
  private made = 0;

  constructor(options: FenceOptions) {
    this.options = options;
    const watcher = causeWatcher();
    this.causes = watcher.causes;
    this.lab = cramLab({
      dramPages: options.huge ? 4096 : 768,
      devicePages: options.huge ? 2048 : 512,
      contents: sizedPages((vpn, version) => SECTOR * (1 + ((vpn * 7 + version * 13) % 64))),
      swap: { kind: 'disk', pages: 2048 },
      nodePrivate: options.nodePrivate,
      ...(options.cram && { cram: options.cram }),
      plugins: [watcher.plugin],
    });
    if (options.huge) {
      this.lab.machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/enabled', 'always');
    }
    if (options.fence === 'down') this.takeFenceDown();
    this.file = this.lab.machine.files.create('shmem', 'shared', SHARED[1] * 4096);
    this.regular = this.lab.machine.files.create('regular', 'data', FILE[1] * 4096);
    this.spawn();
  }

  /** A program that has written everything it has. */
  spawn(): Task {
    const task = this.lab.machine.createTask(`task ${this.made++}`);
    task.mmap(...ANON);
    this.mapShared(task);
    this.map(task, FILE, this.regular, RW);
    if (this.options.huge) task.mmap(...HUGE);
    for (const [from, pages] of this.areas()) {
      for (const vpn of pageRange(pages, from)) task.write(vpn);
    }
    this.tasks.push(task);
    return task;
  }

  areas(): readonly Area[] {
    return this.options.huge ? [ANON, SHARED, FILE, HUGE] : [ANON, SHARED, FILE];
  }

  mapShared(task: Task, prot = RW): void {
    this.map(task, SHARED, this.file, prot);
  }

  private map(task: Task, [from, pages]: Area, file: AddressSpace, prot: number): void {
    const { machine } = this.lab;
    machine.work.runAs(task.struct);
    const flags = vmFlags(prot) | VM_MAYREAD | VM_MAYWRITE | VM_SHARED;
    machine.mmap.mmap(task.mm, from, pages, flags, { file, pgoff: 0 });
    machine.spend();
  }

  /** The service's ops as they are, but for the opt-in (set_ops overwrites, divergence D3). */
  private takeFenceDown(): void {
    const nodes = this.lab.services.get(NodePrivateToken);
    const ops = nodes.opsOf(DEVICE);
    if (ops === null) throw new Error('the node has ops');
    nodes.node_private_set_ops(DEVICE, { ...ops, flags: ops.flags & ~NP_OPS_PROTECT_WRITE });
  }

  /** Frame of a page of the device that is mapped there, or -1. */
  deviceFrame(task: Task, vpn: number): number {
    const { ptes, nodes } = this.lab.machine;
    const slot = ptes.find(task.mm.id, vpn);
    if (slot < 0 || !pteMapsPage(ptes.bits[slot] ?? 0)) return -1;
    const pfn = ptes.value[slot] ?? -1;
    return nodes.nidOf(pfn) === DEVICE ? pfn : -1;
  }

  /** Is a page of the area on the device? */
  isOnDevice(task: Task, [from, pages]: Area): boolean {
    return pageRange(pages, from).some((vpn) => this.deviceFrame(task, vpn) >= 0);
  }

  take(way: Way): void {
    this.taken.set(way, (this.taken.get(way) ?? 0) + 1);
  }

  /** Notes a swap-in that is about to happen. */
  private noteAccess(task: Task, vpn: number): void {
    const { ptes, nodes, swap } = this.lab.machine;
    const slot = ptes.find(task.mm.id, vpn);
    const bits = slot < 0 ? 0 : (ptes.bits[slot] ?? 0);
    if (bits === 0 || pteMapsPage(bits) || pteType(bits) !== PTE_TYPE_SWAP) return;
    const cached = swap.folioOf(ptes.value[slot] ?? -1);
    const isHere = cached >= 0 && nodes.nidOf(cached) === DEVICE;
    this.take(isHere ? 'swap-in from the swap cache' : 'swap-in');
  }

  demote(task: Task, [from, pages]: Area): number {
    return demote(this.lab, task, pageRange(pages, from));
  }

  /** fork(2). @returns the child, or null if there is no room for one */
  fork(task: Task): Task | null {
    const child = task.fork(`task ${this.made++}`);
    if (typeof child === 'number') return null;
    this.tasks.push(child);
    return child;
  }

  exit(task: Task): void {
    const others = this.tasks.filter((other) => other !== task);
    for (const vpn of pageRange(ANON[1], ANON[0])) {
      const pfn = this.deviceFrame(task, vpn);
      const isShared = others.some((other) => this.deviceFrame(other, vpn) === pfn);
      if (pfn >= 0 && isShared) this.inherited.add(pfn);
    }
    this.tasks.splice(this.tasks.indexOf(task), 1);
    task.exit();
  }

  /** A store; the program is killed if DRAM has no room for the promotion and never will. */
  store(task: Task, vpn: number): void {
    this.noteAccess(task, vpn);
    const pfn = this.deviceFrame(task, vpn);
    if (this.inherited.delete(pfn)) this.take('store after fork and exit');
    try {
      if (task.write(vpn) !== 'ok') this.exit(task);
    } catch (error) {
      if (!(error instanceof MmError)) throw error;
      this.exit(task);
    }
  }

  load(task: Task, vpn: number): void {
    this.noteAccess(task, vpn);
    task.read(vpn);
  }

  /** write(2) of the shared memory, or of the file. */
  writeFile(task: Task, index: number, file = this.file): void {
    const { machine, services } = this.lab;
    const pfn = services.get(PageCacheToken).find(file, index);
    const isHere = pfn >= 0 && machine.nodes.nidOf(pfn) === DEVICE;
    if (isHere) this.take(file === this.file ? 'write(2) to shared memory' : 'write(2) to a file');
    machine.work.runAs(task.struct);
    machine.filemap.write(file, index, task.nid);
    machine.spend();
  }

  /** Pins a page for writing and lets a device write to it. */
  pinAndWrite(task: Task, vpn: number): void {
    if (this.deviceFrame(task, vpn) >= 0) this.take('pin for writing');
    const pfn = task.pinLongterm(vpn);
    if (pfn < 0) return;
    this.lab.services.get(DmaToken).store(pfn, SECTOR * 64);
    task.unpin(pfn);
  }

  /**
   * Pages go to swap, a child gets its entries, the parent reads them back and they are demoted
   * while the swap cache still has them for the child; then the parent is gone.
   * @returns the child
   */
  demoteFromSwapCache(task: Task, area: Area): Task | null {
    const { machine } = this.lab;
    machine.folios.lruAddDrainAll();
    task.madvise(...area, MADV_PAGEOUT);
    const child = this.fork(task);
    if (child === null) return null;
    for (const vpn of pageRange(area[1], area[0])) this.load(task, vpn);
    this.demote(task, area);
    this.exit(task);
    return child;
  }

  /** The driver calls for everything to leave, and a moment later takes it back. */
  pressure(): void {
    const { machine, cram } = this.lab;
    cram?.cram_set_pressure(DEVICE, 1000);
    machine.sleep(1_000_000);
    cram?.cram_clear_pressure(DEVICE);
  }

  /** Bytes and times that stores of programs changed pages of the device in place. */
  hole(): { readonly stores: number; readonly bytes: number } {
    const count = this.causes.counts.get('store of a program');
    return { stores: count?.changes ?? 0, bytes: count?.bytes ?? 0 };
  }
}
