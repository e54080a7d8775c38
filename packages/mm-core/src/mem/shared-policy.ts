import type { Policy } from './policy.js';

interface SharedRange {
  readonly start: number;
  readonly end: number;
  readonly policy: Policy;
}

/**
 * Policies of a file in memory by page index (struct shared_policy): every mapper sees them, and
 * they outlive the mapping that set them. Ranges never overlap; they do not merge.
 */
export class SharedPolicy {
  private ranges: readonly SharedRange[] = [];

  /** The policy of a page, or null (mpol_shared_policy_lookup). */
  lookup(index: number): Policy | null {
    const found = this.ranges.find(({ start, end }) => start <= index && index < end);
    return found?.policy ?? null;
  }

  /** Replaces what is known of [start, end); null forgets it (shared_policy_replace). */
  set(start: number, end: number, policy: Policy | null): void {
    const kept: SharedRange[] = [];
    for (const range of this.ranges) {
      if (range.start < start) kept.push({ ...range, end: Math.min(range.end, start) });
      if (range.end > end) kept.push({ ...range, start: Math.max(range.start, end) });
    }
    if (policy !== null) kept.push({ start, end, policy });
    this.ranges = kept;
  }
}
