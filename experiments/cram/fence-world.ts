/**
 * A small world for the write fence: programs with anonymous memory, a huge page and shared memory,
 * most of it on the node, and everything a program or the kernel may do to it.
 */
import type { CramOptions } from '@mm-lab/cram';
import {
  type AddressSpace,
  DmaToken,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MmError,
  PROT_READ,
  PROT_WRITE,
  Prng,
  type Task,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '@mm-lab/mm-core';
import type { NodePrivateOptions } from '@mm-lab/node-private';
import { type CramLab, cramLab, DEVICE, demote, pageRange, sizedPages } from './kit.ts';
import { causeWatcher, type StoreCauses } from './store-causes.ts';

/** Areas of every program, in pages: first page and how many. */
export const ANON = [0, 48] as const;
export const SHARED = [1024, 32] as const;
export const HUGE = [2048, 512] as const;
export type Area = readonly [from: number, pages: number];

const RW = PROT_READ | PROT_WRITE;
const TASKS_MAX = 4;
const SECTOR = 64;

export interface FenceOptions {
  readonly nodePrivate: NodePrivateOptions;
  readonly cram?: CramOptions;
  /** Map one huge page too. Default false. */
  readonly huge?: boolean;
}

/** The machine, its programs and the file that they share. */
export class FenceWorld {
  readonly lab: CramLab;
  readonly causes: StoreCauses;
  readonly file: AddressSpace;
  readonly tasks: Task[] = [];
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
    this.file = this.lab.machine.files.create('shmem', 'shared', SHARED[1] * 4096);
    this.spawn();
  }

  /** A program that has written everything it has. */
  spawn(): Task {
    const task = this.lab.machine.createTask(`task ${this.made++}`);
    task.mmap(...ANON);
    this.mapShared(task);
    if (this.options.huge) task.mmap(...HUGE);
    for (const [from, pages] of this.areas()) {
      for (const vpn of pageRange(pages, from)) task.write(vpn);
    }
    this.tasks.push(task);
    return task;
  }

  areas(): readonly Area[] {
    return this.options.huge ? [ANON, SHARED, HUGE] : [ANON, SHARED];
  }

  mapShared(task: Task, prot = RW): void {
    const { machine } = this.lab;
    machine.work.runAs(task.struct);
    const flags = vmFlags(prot) | VM_MAYREAD | VM_MAYWRITE | VM_SHARED;
    machine.mmap.mmap(task.mm, SHARED[0], SHARED[1], flags, { file: this.file, pgoff: 0 });
    machine.spend();
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
    this.tasks.splice(this.tasks.indexOf(task), 1);
    task.exit();
  }

  /** A store; the program is killed if DRAM has no room for the promotion and never will. */
  store(task: Task, vpn: number): void {
    try {
      if (task.write(vpn) !== 'ok') this.exit(task);
    } catch (error) {
      if (!(error instanceof MmError)) throw error;
      this.exit(task);
    }
  }

  /** write(2) of the shared memory. */
  writeFile(task: Task, index: number): void {
    const { machine } = this.lab;
    machine.work.runAs(task.struct);
    machine.filemap.write(this.file, index, task.nid);
    machine.spend();
  }

  /** Pins a page for writing and lets a device write to it. */
  pinAndWrite(task: Task, vpn: number): void {
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
    for (const vpn of pageRange(area[1], area[0])) task.read(vpn);
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

interface Step {
  readonly name: string;
  readonly weight: number;
  readonly run: (world: FenceWorld, random: Prng, task: Task) => void;
}

function anyArea(world: FenceWorld, random: Prng): Area {
  const [from, pages] = random.pick(world.areas());
  const at = random.below(pages);
  return [from + at, Math.min(pages - at, 1 + random.below(24))];
}

function anyPage(world: FenceWorld, random: Prng): number {
  const [from] = anyArea(world, random);
  return from;
}

/** What a generated program consists of. */
const STEPS: readonly Step[] = [
  { name: 'store', weight: 6, run: (w, r, t) => w.store(t, anyPage(w, r)) },
  { name: 'load', weight: 4, run: (w, r, t) => void t.read(anyPage(w, r)) },
  { name: 'demote', weight: 6, run: (w, r, t) => void w.demote(t, anyArea(w, r)) },
  {
    name: 'move_pages',
    weight: 2,
    run: (w, r, t) => {
      const [from, pages] = anyArea(w, r);
      t.movePages(pageRange(pages, from), DEVICE);
    },
  },
  {
    name: 'mprotect',
    weight: 3,
    run: (w, r, t) => {
      t.mprotect(...anyArea(w, r), r.chance(0.4) ? PROT_READ : RW);
    },
  },
  {
    name: 'fork',
    weight: 2,
    run: (w, _r, t) => {
      if (w.tasks.length < TASKS_MAX) w.fork(t);
    },
  },
  {
    name: 'exit',
    weight: 1,
    run: (w, _r, t) => {
      w.exit(t);
      if (w.tasks.length === 0) w.spawn();
    },
  },
  { name: 'pin', weight: 1, run: (w, r, t) => w.pinAndWrite(t, anyPage(w, r)) },
  { name: 'pageout', weight: 2, run: (w, r, t) => void t.madvise(...anyArea(w, r), MADV_PAGEOUT) },
  {
    name: 'demote from the swap cache',
    weight: 0.5,
    run: (w, r, t) => {
      const child = w.demoteFromSwapCache(t, anyArea(w, r));
      child?.read(anyPage(w, r));
    },
  },
  { name: 'pressure', weight: 0.5, run: (w) => w.pressure() },
  {
    name: 'dontneed',
    weight: 1,
    run: (w, r, t) => void t.madvise(...anyArea(w, r), MADV_DONTNEED),
  },
  {
    name: 'map shared memory again',
    weight: 1,
    run: (w, r, t) => {
      t.munmap(...SHARED);
      w.mapShared(t, r.chance(0.3) ? PROT_READ : RW);
    },
  },
  { name: 'write(2)', weight: 1, run: (w, r, t) => w.writeFile(t, r.below(SHARED[1])) },
];

/**
 * Runs a generated program and recounts the machine after every step.
 * @throws AssertionError if the machine contradicts itself
 */
export function runFenceProgram(options: FenceOptions, seed: number, steps: number): FenceWorld {
  const random = new Prng(seed);
  const world = new FenceWorld(options);
  const total = STEPS.reduce((sum, { weight }) => sum + weight, 0);
  for (let step = 0; step < steps; step++) {
    if (world.tasks.length === 0) world.spawn();
    const task = random.pick(world.tasks);
    let at = random.unit() * total;
    const chosen = STEPS.find(({ weight }) => {
      at -= weight;
      return at < 0;
    });
    chosen?.run(world, random, task);
    world.lab.machine.verify();
  }
  return world;
}
