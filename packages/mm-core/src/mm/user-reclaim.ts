import { EAGAIN, EBUSY, EINVAL } from '../abi/errno.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { MemCgroup } from '../mem/memcg.js';
import { type DirectReclaim, DirectReclaimToken, scanControl } from './direct-reclaim.js';
import { type Folios, FoliosToken } from './folio.js';
import { type NodeReclaim, NodeReclaimToken } from './node-reclaim.js';
import {
  MAX_RECLAIM_RETRIES,
  MAX_SWAPPINESS,
  SWAP_CLUSTER_MAX,
  SWAPPINESS_ANON_ONLY,
} from './scan-control.js';

/** What a user asked for. */
interface Wish {
  readonly pages: number;
  readonly swappiness: number | null;
}

/** Reclaim that a user asks for through memory.reclaim or a node's reclaim (mm/vmscan.c). */
@injectable()
export class UserReclaim {
  private readonly busyNodes = new Set<number>();

  constructor(
    @inject(DirectReclaimToken) private readonly reclaim: DirectReclaim,
    @inject(NodeReclaimToken) private readonly nodeReclaim: NodeReclaim,
    @inject(FoliosToken) private readonly folios: Folios,
  ) {}

  /** "SIZE [swappiness=N|max]" of a group. @returns 0, -EINVAL or -EAGAIN */
  ofGroup(memcg: MemCgroup, text: string): number {
    const wish = parseWish(text);
    if (wish === null) return -EINVAL;
    const options = { proactive: true, swappiness: wish.swappiness };
    return this.untilDone(wish.pages, (batch) =>
      this.reclaim.tryToFreeMemCgroupPages(memcg, batch, options),
    );
  }

  /** The same of a node: only where page cache or slab is above the node's minimum. */
  ofNode(nid: number, text: string): number {
    const wish = parseWish(text);
    if (wish === null) return -EINVAL;
    if (this.busyNodes.has(nid)) return -EBUSY;
    this.busyNodes.add(nid);
    const rc = this.untilDone(wish.pages, (batch) => this.nodeReclaimBatch(nid, batch, wish));
    this.busyNodes.delete(nid);
    return rc;
  }

  /** Quarters of what is left, until 17 of them bring nothing (user_proactive_reclaim). */
  private untilDone(pages: number, reclaim: (batch: number) => number): number {
    let retries = MAX_RECLAIM_RETRIES;
    for (let done = 0; done < pages; ) {
      if (retries === 0) this.folios.lruAddDrainAll();
      const got = reclaim(Math.floor((pages - done) / 4));
      if (got === 0 && retries-- === 0) return -EAGAIN;
      done += got;
    }
    return 0;
  }

  private nodeReclaimBatch(nid: number, batch: number, { swappiness }: Wish): number {
    const sc = scanControl({
      reclaimer: 'proactive',
      nrToReclaim: Math.max(batch, SWAP_CLUSTER_MAX),
      order: 0,
      swappiness,
    });
    this.nodeReclaim.run(nid, batch, sc);
    return sc.nrReclaimed;
  }
}
export const UserReclaimToken = createToken<UserReclaim>('UserReclaim');

/** A size with an optional swappiness, or null. */
function parseWish(text: string): Wish | null {
  const [first = '', ...words] = text.trim().split(/\s+/);
  const { bytes, rest } = memparse(first);
  if (rest === first) return null;
  const options = [...(rest === '' ? [] : [rest]), ...words];
  let swappiness: number | null = null;
  for (const word of options) {
    const value = parseSwappiness(word);
    if (value === null) return null;
    swappiness = value;
  }
  return { pages: Math.floor(bytes / PAGE_SIZE), swappiness };
}

function parseSwappiness(word: string): number | null {
  if (word === 'swappiness=max') return SWAPPINESS_ANON_ONLY;
  const match = /^swappiness=(\d+)$/.exec(word);
  const value = match === null ? Number.NaN : Number(match[1]);
  return value >= 0 && value <= MAX_SWAPPINESS ? value : null;
}

/** Bytes with a suffix, and what stands behind them (lib/cmdline.c:memparse). */
export function memparse(text: string): { bytes: number; rest: string } {
  const match = /^(0[xX][0-9a-fA-F]+|\d+)([kKmMgGtTpPeE]?)/.exec(text);
  if (match === null) return { bytes: 0, rest: text };
  const [all, digits = '0', suffix = ''] = match;
  const shift = suffix === '' ? 0 : 10 * (1 + 'KMGTPE'.indexOf(suffix.toUpperCase()));
  return { bytes: Number(digits) * 2 ** shift, rest: text.slice(all.length) };
}
