/** Tiers of a type: by how often a page was used apart from its mappings (MAX_NR_TIERS). */
export const MAX_NR_TIERS = 4;
/** Uses that are counted besides the first (LRU_REFS_MASK): then the page is of the working set. */
export const LRU_REFS_MAX = 3;
/** Anonymous pages and file pages. */
const TYPES = 2;
/** Pages that came back below which a type is not thought to be short of memory (MIN_LRU_BATCH). */
const REFAULTED_MIN = 64;

/** Tier of a page with so many uses (lru_tier_from_refs). */
export function tierOf(refs: number, isWorkingset: boolean): number {
  if (isWorkingset) return MAX_NR_TIERS - 1;
  return refs > 1 ? Math.ceil(Math.log2(refs)) : 0;
}

/** How many pages of some tiers came back, out of how many (struct ctrl_pos). */
export interface TierPosition {
  readonly refaulted: number;
  readonly total: number;
  readonly gain: number;
}

/**
 * What the eviction of one lruvec is steered by (the counters of struct lru_gen_folio): pages
 * evicted, spared and come back, of the oldest generation and as a fading average of those before.
 */
export class TierCounts {
  private readonly evicted = new Float64Array(TYPES * MAX_NR_TIERS);
  private readonly spared = new Float64Array(TYPES * MAX_NR_TIERS);
  private readonly refaulted = new Float64Array(TYPES * MAX_NR_TIERS);
  private readonly refaultedBefore = new Float64Array(TYPES * MAX_NR_TIERS);
  private readonly totalBefore = new Float64Array(TYPES * MAX_NR_TIERS);

  noteEvicted(type: number, tier: number, pages: number): void {
    this.evicted[type * MAX_NR_TIERS + tier]! += pages;
  }

  /** Pages that went to the next generation instead (protected). */
  noteSpared(type: number, tier: number, pages: number): void {
    this.spared[type * MAX_NR_TIERS + tier]! += pages;
  }

  noteRefaulted(type: number, tier: number, pages: number): void {
    this.refaulted[type * MAX_NR_TIERS + tier]! += pages;
  }

  /** Tiers first .. last of a type (read_ctrl_pos). */
  position(type: number, first: number, last: number, gain: number): TierPosition {
    let refaulted = 0;
    let total = 0;
    for (let tier = first; tier <= last; tier++) {
      const at = type * MAX_NR_TIERS + tier;
      refaulted += this.refaultedBefore[at]! + this.refaulted[at]!;
      total += this.totalBefore[at]! + this.spared[at]! + this.evicted[at]!;
    }
    return { refaulted, total, gain };
  }

  /** The oldest generation of a type is another one: what was counted fades (reset_ctrl_pos). */
  carryOver(type: number): void {
    for (let at = type * MAX_NR_TIERS; at < (type + 1) * MAX_NR_TIERS; at++) {
      const total = this.totalBefore[at]! + this.spared[at]! + this.evicted[at]!;
      this.refaultedBefore[at] = Math.floor((this.refaultedBefore[at]! + this.refaulted[at]!) / 2);
      this.totalBefore[at] = Math.floor(total / 2);
      this.refaulted[at] = 0;
      this.evicted[at] = 0;
      this.spared[at] = 0;
    }
  }
}

/** Do pages of `pv` come back less often than those of `sp` (positive_ctrl_err)? */
export function isCheaper(sp: TierPosition, pv: TierPosition): boolean {
  if (pv.refaulted < REFAULTED_MIN) return true;
  const costs = pv.refaulted * (sp.total + REFAULTED_MIN) * sp.gain;
  return costs <= (sp.refaulted + 1) * pv.total * pv.gain;
}
