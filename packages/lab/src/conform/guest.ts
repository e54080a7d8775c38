import {
  ENOENT,
  type IoRing,
  type Machine,
  type MemoryBlock,
  type OpenFile,
  PAGE_SIZE,
  type Task,
  type TaskStruct,
  type UserfaultfdCtx,
} from '@mm-lab/mm-core';
import type { BootPast } from './boot-past.js';
import type { HmmFile, HmmUnits } from './hmm/hmm-unit.js';
import { type Json, type JsonObject, numberAt } from './json.js';
import { hasNoKernel } from './kernel-files.js';
import {
  mapRecorder,
  recorderProgram,
  recorderScratch,
  type Scratch,
  startRecorder,
  useProgram,
  warmUp,
} from './recorder-areas.js';
import { type Step, StepError } from './step.js';
import { Undo } from './undo.js';
import type { WordData } from './word-data.js';

/** A named range of a task's address space. */
export interface Region {
  readonly name: string;
  addr: number;
  length: number;
}

/** How a task ended, as the recorder prints it. */
export type Death = { readonly signal: string } | { readonly exit: number };

/** What a step chose of a region. */
export interface Range {
  readonly addr: number;
  readonly length: number;
}

/** A task of a case: a process of the guest with its regions. */
export class GuestTask {
  death: Death | null = null;
  readonly regions: Region[];
  /** Its memory files by the names that a case gives them. */
  readonly memfds = new Map<string, OpenFile>();
  /** Has it taken a signal, or was it never forked? */
  knowsSignals = true;
  /** Its userfaultfd, made at first use. */
  uffd: UserfaultfdCtx | null = null;
  /** Has it mapped the buffer for HMM test devices yet? */
  hasBounce = false;
  /** Its descriptors of HMM test devices, by unit. */
  readonly hmm = new Map<number, HmmFile>();
  /** The ring that its pins are registered with. */
  ring: IoRing | null = null;

  constructor(
    readonly name: string,
    readonly task: Task,
    regions: readonly Region[] = [],
  ) {
    this.regions = regions.map((region) => ({ ...region }));
  }

  region(name: string): Region | undefined {
    return this.regions.find((region) => region.name === name);
  }

  /** A memory file by name, made at first use with so many bytes. */
  memfd(machine: Machine, name: string, bytes: number): OpenFile {
    const known = this.memfds.get(name);
    if (known !== undefined) return known;
    const made = machine.sys.openFiles.memfdCreate(name);
    machine.sys.openFiles.ftruncate(made, bytes);
    this.memfds.set(name, made);
    return made;
  }

  /** A child has the parent's descriptors too. */
  inheritDescriptors(machine: Machine, parent: GuestTask): void {
    this.inheritRing(machine, parent);
    this.hasBounce = parent.hasBounce;
    for (const [unit, file] of parent.hmm) this.hmm.set(unit, file.share());
    if (parent.uffd !== null) machine.sys.userfaultfd.share(parent.uffd);
    this.uffd = parent.uffd;
    for (const [name, file] of parent.memfds) {
      machine.sys.openFiles.share(file);
      this.memfds.set(name, file);
    }
  }

  closeDescriptors(machine: Machine): void {
    this.closeUffd(machine);
    this.closeRing(machine);
    for (const unit of [...this.hmm.keys()]) this.closeHmm(unit);
    for (const file of this.memfds.values()) machine.sys.openFiles.close(file);
    this.memfds.clear();
  }

  /** Closes its descriptor of the ring, if it has one. */
  closeRing(machine: Machine): void {
    if (this.ring !== null) machine.sys.ioUring.close(this.ring);
    this.ring = null;
  }

  closeHmm(unit: number): void {
    this.hmm.get(unit)?.close();
    this.hmm.delete(unit);
  }

  closeUffd(machine: Machine): void {
    if (this.uffd !== null) machine.sys.userfaultfd.close(this.uffd);
    this.uffd = null;
  }

  /** A child names the parent's ring too. */
  private inheritRing(machine: Machine, parent: GuestTask): void {
    if (parent.ring !== null) machine.sys.ioUring.share(parent.ring);
    this.ring = parent.ring;
  }

  /** As `range`, for a call that the recorder makes on no bytes at 0 if there is no region. */
  rangeOrNothing(step: Step): Range {
    return this.range(step) ?? { addr: 0, length: 0 };
  }

  /** The range that a step names, or undefined if there is no such region. */
  range(step: Step): Range | undefined {
    const region = this.region(step.text('r', 'A'));
    if (region === undefined) return undefined;
    const page = step.int('page', 0);
    const pages = step.int('n', Math.floor(region.length / PAGE_SIZE) - page);
    const length = step.has('len_bytes') ? step.int('len_bytes', 0) : pages * PAGE_SIZE;
    return { addr: region.addr + page * PAGE_SIZE + step.int('addr_add', 0), length };
  }
}

/**
 * Pages of files and shared memory that the recorder's own program has in a fresh task, and in a
 * child, which has not touched what it shares with the others.
 */
const RECORDER_PAGES = 3179;
export const RECORDER_CHILD_PAGES = 218;

/** Nanoseconds in a millisecond. */
const MS = 1_000_000;

/** What the recorder's processes share; the program's file only where it is in use. */
interface Recorder {
  readonly scratch: Scratch;
  readonly program: Scratch | null;
}

/** How a guest differs from others. */
export interface GuestOptions {
  /** Does the kernel track soft-dirty pages (CONFIG_MEM_SOFT_DIRTY)? */
  readonly softDirty: boolean;
  /** Does the recorder's own program use pages of the machine, or are they only counted? */
  readonly program: 'counted' | 'in use';
  /** RLIMIT_MEMLOCK of its tasks in bytes; default: none. */
  readonly memlock?: number;
}

/** One booted machine and the tasks of a case. */
export class Guest {
  private readonly tasks: GuestTask[] = [];
  /** What the recorder puts back after the case. */
  readonly undo = new Undo();
  /** Its HMM test devices, if it has any. */
  hmm: HmmUnits | null = null;
  /** What of the machine was read from the case's own record. */
  readonly bootNotes: string[] = [];
  /** What its processes share. */
  private recorder: Recorder | null = null;
  /** `vmstat_begin`. */
  readonly vmstat = new Map<string, number>();
  /** `node_begin`, by node and field. */
  readonly nodeStats = new Map<string, number>();
  /** `pagemap {save}`: frames by page, by slot. */
  readonly savedFrames = new Map<number, readonly number[]>();
  /** Blocks of the node that was last taken offline. */
  offlined: { readonly nid: number; readonly blocks: readonly MemoryBlock[] } = {
    nid: -1,
    blocks: [],
  };
  /** The arrays of move_pages that the recorder shares between its tasks. */
  readonly scratch: { readonly addresses: number[]; readonly nodes: number[] } = {
    addresses: [],
    nodes: [],
  };

  constructor(
    readonly machine: Machine,
    readonly words: WordData,
    private readonly options: GuestOptions = { softDirty: true, program: 'counted' },
  ) {}

  /** Does the kernel track soft-dirty pages? */
  get softDirty(): boolean {
    return this.options.softDirty;
  }

  /** Leaves the machine as earlier cases of the boot did. */
  haveHadPast({ files: count, pools }: BootPast): void {
    const { files } = this.machine;
    for (let made = 0; made < count; made++) files.forget(files.create('shmem', 'before', 0));
    for (const { nid, count: pages } of pools) {
      const folder = `/sys/devices/system/node/node${nid}/hugepages/hugepages-2048kB`;
      this.writeFile(`${folder}/nr_hugepages`, String(pages), null);
    }
  }

  /** The same machine for the next case of its boot. */
  afterCase(kase: Json): Guest {
    for (const task of this.alive()) this.kill(task);
    this.runAsDriver();
    this.undo.run(this.machine);
    if (numberAt(kase, 'swap') !== 0) this.machine.swapoff.swapoff();
    this.machine.spend();
    const next = new Guest(this.machine, this.words, this.options);
    next.hmm = this.hmm;
    return next;
  }

  /** A fresh task on CPU 0. */
  spawn(name: string): GuestTask {
    const made = new GuestTask(name, this.machine.createTask(name, this.machine.nodes.nidOfCpu(0)));
    made.task.struct.onPoison = 'signal';
    made.task.struct.rlimits.memlock = this.options.memlock ?? Infinity;
    made.task.struct.rssElsewhere = RECORDER_PAGES;
    const { scratch, program } = this.start();
    mapRecorder(this.machine, made.task.mm, scratch);
    if (program !== null) {
      made.task.struct.rssElsewhere = 0;
      useProgram(this.machine, made.task, program);
    }
    warmUp(this.machine, made.task);
    this.tasks.push(made);
    return made;
  }

  /** What the recorder's processes share, made with the first. */
  private start(): Recorder {
    if (this.recorder !== null) return this.recorder;
    const scratch = recorderScratch(this.machine);
    const isCounted = this.options.program === 'counted';
    if (!isCounted) startRecorder(this.machine, scratch);
    this.recorder = { scratch, program: isCounted ? null : recorderProgram(this.machine) };
    return this.recorder;
  }

  add(task: GuestTask): void {
    this.tasks.push(task);
  }

  find(name: string): GuestTask | undefined {
    return this.tasks.find((task) => task.name === name);
  }

  /** Every task that still runs. */
  alive(): readonly GuestTask[] {
    this.reap();
    return this.tasks.filter((task) => task.death === null);
  }

  /** Notes the tasks that the kernel killed since the last look. */
  reap(): void {
    for (const task of this.tasks) {
      const { lastSignal } = task.task.struct;
      // Nothing of its own was going on: the recorder's handler ends the task.
      if (lastSignal?.code === 'MCEERR_AO') this.kill(task, { exit: EXIT_SIGBUS });
      if (task.death !== null || task.task.alive) {
        if (task.death === null && this.machine.oom.isVictim(task.task.mm.id)) this.kill(task);
        continue;
      }
      task.death = { signal: 'SIGKILL' };
    }
  }

  kill(task: GuestTask, death: Death = { signal: 'SIGKILL' }): void {
    task.death ??= death;
    task.task.exit();
    task.closeDescriptors(this.machine);
  }

  /** Process id that a step names as its target; 0 is the caller, also for an unknown name. */
  target(step: Step): number {
    const name = step.text('target', '');
    return name === '' ? step.int('pid', 0) : (this.find(name)?.task.struct.pid ?? 0);
  }

  /** What comes next is done by the process that drives the tasks: on CPU 0, without a policy. */
  runAsDriver(): void {
    this.machine.work.current = null;
    this.machine.work.cpuNid = this.machine.nodes.nidOfCpu(0);
  }

  /** A system call of a task: it runs as that task, and its time passes. */
  call<T>({ task }: GuestTask, run: (caller: TaskStruct) => T): T {
    this.machine.work.runAs(task.struct);
    const result = run(task.struct);
    this.machine.spend();
    return result;
  }

  /** Writes a file of /proc, /sys or a control group. @throws StepError if the model lacks it */
  writeFile(path: string, text: string, caller: TaskStruct | null): number {
    const rc = this.machine.pseudoFiles.write(path, text, caller);
    this.machine.spend();
    // A file that is there may answer so too: there is nothing of the name that was written.
    if (rc === -ENOENT) this.readFile(path);
    return rc;
  }

  /** @returns the text or -errno @throws StepError if the model lacks the file */
  readFile(path: string): string | number {
    const text = this.machine.pseudoFiles.read(path);
    if (text === -ENOENT && this.lacks(path)) throw new StepError(`not yet: ${path}`);
    return text;
  }

  /** Is the file missing from the model, rather than from the machine? */
  private lacks(path: string): boolean {
    if (hasNoKernel(path)) return false;
    const nid = /^\/sys\/devices\/system\/node\/node(\d+)\//.exec(path)?.[1];
    if (nid !== undefined) return this.machine.nodes.exists(Number(nid));
    if (/^\/sys\/kernel\/mm\/mempolicy\/weighted_interleave\/node\d+$/.test(path)) return false;
    const group = /^\/sys\/fs\/cgroup\/(.*)\/(memory|cpuset|cgroup)\.[^/]*$/.exec(path);
    const [, name = '', controller] = group ?? [];
    const found = group === null ? null : this.machine.cgroups.find(name);
    if (group === null) return true;
    if (found === null) return false;
    return controller === 'memory' || controller === 'cpuset' ? found.has(controller) : true;
  }

  sleep(ms: number): void {
    this.machine.sleep(ms * MS);
  }
}

/** 200 + SIGBUS. */
const EXIT_SIGBUS = 207;

/** What the recorder prints for a task that is gone. */
export function deathOf(death: Death): JsonObject {
  return { died: { ...death } };
}
