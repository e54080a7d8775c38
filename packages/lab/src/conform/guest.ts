import { type IoRing, type Machine, PAGE_SIZE, type Task } from '@mm-lab/mm-core';
import type { JsonObject } from './json.js';
import { type Step, StepError } from './step.js';
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
  /** The ring that its pins are registered with. */
  ring: IoRing | null = null;
  /** Frames saved by `pagemap`, by slot: one table for all tasks of a case. */

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

  /** Closes its descriptor of the ring, if it has one. */
  closeRing(machine: Machine): void {
    if (this.ring !== null) machine.sys.ioUring.close(this.ring);
    this.ring = null;
  }

  /** A child names the parent's ring too. */
  inheritRing(machine: Machine, parent: GuestTask): void {
    if (parent.ring !== null) machine.sys.ioUring.share(parent.ring);
    this.ring = parent.ring;
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

/** Nanoseconds in a millisecond. */
const MS = 1_000_000;

/** One booted machine and the tasks of a case. */
export class Guest {
  private readonly tasks: GuestTask[] = [];
  /** `vmstat_begin`. */
  readonly vmstat = new Map<string, number>();
  /** `node_begin`, by node and field. */
  readonly nodeStats = new Map<string, number>();
  /** `pagemap {save}`: frames by page, by slot. */
  readonly savedFrames = new Map<number, readonly number[]>();
  /** Blocks of a node when it was last taken offline. */
  readonly offlined = new Map<number, readonly number[]>();

  constructor(
    readonly machine: Machine,
    readonly words: WordData,
  ) {}

  /** A fresh task on CPU 0. */
  spawn(name: string): GuestTask {
    const made = new GuestTask(name, this.machine.createTask(name, this.machine.nodes.nidOfCpu(0)));
    made.task.struct.onPoison = 'signal';
    this.tasks.push(made);
    return made;
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
    task.closeRing(this.machine);
  }

  /** Process id that a step names as its target; 0 is the caller. @throws StepError */
  target(step: Step): number {
    const name = step.text('target', '');
    if (name === '') return step.int('pid', 0);
    const task = this.find(name);
    if (task === undefined) throw new StepError(`no task ${name}`);
    return task.task.struct.pid;
  }

  sleep(ms: number): void {
    this.machine.clock.advance(ms * MS);
  }
}

/** What the recorder prints for a task that is gone. */
export function deathOf(death: Death): JsonObject {
  return { died: { ...death } };
}
