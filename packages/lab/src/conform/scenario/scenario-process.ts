import type { OpenFile, Task, UserfaultfdCtx } from '@mm-lab/mm-core';
import type { HmmFile } from '../hmm/hmm-unit.js';
import type { Buffer } from './buffer.js';
import type { PageWords } from './pattern.js';

/** How a process ended. */
export type Ending = { readonly code: number } | { readonly signal: string };

/** A process of a scenario: a task with what the test program keeps in it. */
export class ScenarioProcess {
  readonly buffers = new Map<string, Buffer>();
  readonly devices = new Map<string, HmmFile>();
  readonly files = new Map<string, OpenFile>();
  readonly uffds = new Map<string, UserfaultfdCtx>();
  /** What goes to devices and comes back, by page. */
  mirror: PageWords[] = [];
  /** Pages of the last part that was unmapped, by number in its buffer. */
  hole = { from: 0, to: 0 };
  /** What a userfaultfd's thread fills missing pages with. */
  serve: { readonly ctx: UserfaultfdCtx; readonly fill: PageWords } | null = null;
  ending: Ending | null = null;

  constructor(
    readonly name: string,
    readonly task: Task,
  ) {}

  /** The child of a fork has the same buffers and descriptors, and its own mirror. */
  inherit(parent: ScenarioProcess): this {
    for (const [name, buffer] of parent.buffers) this.buffers.set(name, { ...buffer });
    for (const [name, file] of parent.devices) this.devices.set(name, file.share());
    for (const [name, file] of parent.files) this.files.set(name, file);
    this.mirror = [...parent.mirror];
    return this;
  }

  /** The process is gone. */
  end(ending: Ending): void {
    if (this.ending !== null) return;
    this.ending = ending;
    this.task.exit();
    for (const file of this.devices.values()) file.close();
    this.devices.clear();
  }
}
