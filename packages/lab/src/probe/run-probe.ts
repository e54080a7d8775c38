import type { Params } from '../experiment/experiment.js';
import type { Figures } from '../experiment/figures.js';
import type { TaskDisplay } from '../progress/task.js';
import { checkClaims } from '../results/check-claims.js';
import type { ClaimResult } from '../results/results.js';
import type { Probe } from './probe.js';

/** A probe that ran: its figures and whether its claims hold. */
export interface ProbeOutcome {
  readonly figures: Figures;
  readonly claims: readonly ClaimResult[];
}

/** How to run it, where that differs from what the probe says. */
export interface ProbeOptions {
  readonly seed?: number | undefined;
  readonly params?: Params | undefined;
  readonly display?: TaskDisplay | undefined;
}

/**
 * Runs a probe in this thread: it takes seconds at most.
 *
 * @throws LabError CLAIM_UNCHECKABLE; what the probe threw
 */
export async function runProbe(probe: Probe, options: ProbeOptions = {}): Promise<ProbeOutcome> {
  const { seed = probe.seed, params = probe.params, display } = options;
  let figures: Figures | undefined;
  const run = async (say: (line: string) => void): Promise<string> => {
    figures = await probe.probe({ seed, params, say });
    return `${Object.keys(figures.values).length} found`;
  };
  if (display === undefined) await run(() => undefined);
  else await display([{ parallel: 1, tasks: [{ title: 'figures', run }] }]);
  const found: Figures = figures ?? { values: {}, tables: [] };
  const evidence = { outcomes: [], figures: found, isPartial: false };
  return { figures: found, claims: checkClaims(probe.claims, evidence) };
}
