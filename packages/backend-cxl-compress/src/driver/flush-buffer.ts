import { assert } from '@mm-lab/mm-core';
import type { DpaRange } from '../device/media-operation.js';

/**
 * A command in the making and the folios that it scrubs, side by side (RFC v4 patch 27). A buffer
 * belongs to its CPU while it is filled and to whoever sends it afterwards.
 */
export class FlushBuffer {
  readonly folios: number[] = [];
  readonly ranges: DpaRange[] = [];

  /** @param rangesMax at least 1 */
  constructor(private readonly rangesMax: number) {}

  isFull(): boolean {
    return this.folios.length >= this.rangesMax;
  }

  isEmpty(): boolean {
    return this.folios.length === 0;
  }

  add(folio: number, range: DpaRange): void {
    assert(!this.isFull(), 'a range needs room in the buffer');
    this.folios.push(folio);
    this.ranges.push(range);
  }

  /** What it holds, in a buffer of its own; this one is empty then. */
  handOver(): FlushBuffer {
    const taken = new FlushBuffer(this.rangesMax);
    taken.folios.push(...this.folios);
    taken.ranges.push(...this.ranges);
    this.clear();
    return taken;
  }

  clear(): void {
    this.folios.length = 0;
    this.ranges.length = 0;
  }
}

/** What one CPU has. */
export interface CpuBuffers {
  /** Filled by frees on this CPU. */
  active: FlushBuffer;
  /** Takes the place of a full one, which then is the spare when it was sent. */
  overflowSpare: FlushBuffer;
  /** The same for the one that the flush thread sends. */
  threadSpare: FlushBuffer;
  /** The overflow work, which does not run twice at a time. */
  overflow: 'idle' | 'queued' | 'runs' | 'runs, queued again';
}
