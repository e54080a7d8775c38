import {
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  type Machine,
} from '@mm-lab/mm-core';
import { __GFP_PRIVATE } from '@mm-lab/node-private';

/** What is allocated by a command `alloc`. */
export interface KernelRequest {
  readonly nid: number;
  /** k GFP_KERNEL, m GFP_HIGHUSER_MOVABLE, a GFP_ATOMIC; p `__GFP_PRIVATE`, t `__GFP_THISNODE`. */
  readonly letters: string;
  readonly count: number;
  readonly order: number;
  /** Bits of the nodes that may be used; 0: no mask. */
  readonly mask: number;
}

/** After so many failures the driver stops. */
const FAILURES_MAX = 9;

/** Pages that the driver has allocated for itself. */
export class KernelPages {
  private readonly pages: number[] = [];

  constructor(private readonly machine: Machine) {
    machine.folios.addHolder(() => this.pages);
  }

  /** @returns how many folios came from each node, and how often there was none */
  alloc({ nid, letters, count, order, mask }: KernelRequest): string {
    const gfp = gfpOf(letters) | __GFP_NORETRY | __GFP_NOWARN;
    const nodemask = mask === 0 ? null : nodesOf(mask);
    const byNode = new Map<number, number>();
    let failures = 0;
    for (let done = 0; done < count && failures < FAILURES_MAX; done++) {
      const pfn = this.machine.pageAlloc.alloc({ gfp, order, nid, nodemask });
      if (pfn < 0) {
        failures++;
        continue;
      }
      this.pages.push(pfn);
      const from = this.machine.nodes.nidOf(pfn);
      byNode.set(from, (byNode.get(from) ?? 0) + 1);
    }
    const nodes = [...byNode].sort((a, b) => a[0] - b[0]).map(([from, sum]) => `n${from}=${sum}`);
    return [...nodes, `fail=${failures}`].join(' ');
  }

  freeAll(): void {
    for (const pfn of this.pages.splice(0)) this.machine.folios.put(pfn);
  }
}

function gfpOf(letters: string): number {
  const has = (letter: string): boolean => letters.includes(letter);
  let gfp = has('k') ? GFP_KERNEL : has('a') ? GFP_ATOMIC : GFP_HIGHUSER_MOVABLE;
  if (has('p')) gfp |= __GFP_PRIVATE;
  if (has('t')) gfp |= __GFP_THISNODE;
  return gfp;
}

function nodesOf(mask: number): ReadonlySet<number> {
  const nodes = new Set<number>();
  for (let nid = 0; nid < 32; nid++) if ((mask & (1 << nid)) !== 0) nodes.add(nid);
  return nodes;
}
