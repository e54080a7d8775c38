import { inject, injectable } from '@mm-lab/mm-core';
import { NodePrivateConfig } from '../config.js';
import { __GFP_PRIVATE } from '../gfp.js';
import { PrivateIsolation } from './private-isolation.js';

/**
 * A scope of the task, as the memalloc ones: whoever allocates for a private node enters it, and
 * the gate looks at the task and not at the request. So every allocation nested in it (reclaim's
 * own, page tables, an interrupt that comes meanwhile) is let through too. Requests that ask carry
 * the bit of RFC v4 as the mark at which the allocator enters the scope; the gate does not look at
 * it.
 */
@injectable()
export class Scope extends PrivateIsolation {
  override readonly name = 'scope';
  override readonly lists = { ownFallback: true, ownNofallback: true, third: false };
  private depth = 0;

  constructor(@inject(NodePrivateConfig) config: NodePrivateConfig) {
    super(config);
  }

  override admits(_nid: number, _gfp: number): boolean {
    return this.depth > 0;
  }

  override enter(gfp: number): boolean {
    if ((gfp & __GFP_PRIVATE) === 0) return false;
    this.depth++;
    return true;
  }

  override leave(): void {
    this.depth--;
  }

  /** Runs a part of a driver inside the scope, with all that it allocates. */
  run<T>(part: () => T): T {
    this.depth++;
    try {
      return part();
    } finally {
      this.depth--;
    }
  }
}
