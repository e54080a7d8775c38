import { isExpectedError, LabError, messageOf } from '../error/lab-error.js';
import type { ClaimDefinition } from '../experiment/experiment.js';
import type { Figures, Stats } from '../experiment/figures.js';
import { ResultsView } from '../experiment/results-view.js';
import type { ClaimResult } from './results.js';

/** What claims are checked against. */
export interface ClaimEvidence {
  readonly outcomes: readonly { readonly name: string; readonly stats: Stats }[];
  readonly figures: Figures | undefined;
  /** Only some variants ran: claims about the others are left out. */
  readonly isPartial: boolean;
}

/**
 * Checks every claim against the results.
 *
 * @throws LabError CLAIM_UNCHECKABLE if a claim reads something that was not reported, or throws
 */
export function checkClaims(
  claims: readonly ClaimDefinition[],
  { outcomes, figures, isPartial }: ClaimEvidence,
): readonly ClaimResult[] {
  const view = new ResultsView(new Map(outcomes.map(({ name, stats }) => [name, stats])), figures);
  return claims.flatMap(({ text, holds }) => {
    try {
      return { text, holds: holds(view) };
    } catch (error) {
      if (isPartial && isUncheckable(error)) return [];
      if (isExpectedError(error)) throw error;
      const what = `claim ${JSON.stringify(text)} threw: ${messageOf(error)}`;
      throw new LabError('CLAIM_UNCHECKABLE', what, { cause: error });
    }
  });
}

function isUncheckable(error: unknown): boolean {
  return error instanceof LabError && error.code === 'CLAIM_UNCHECKABLE';
}
