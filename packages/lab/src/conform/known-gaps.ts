import { readFileSync } from 'node:fs';
import { LabError, messageOf } from '../error/lab-error.js';
import { isObject, type Json, parseJson } from './json.js';
import type { Outcome } from './outcome.js';
import { writeAsked } from './write-asked.js';

/**
 * Why each case fails that is known to, by its id, or by family and id where two sets have a case
 * of that name.
 */
export type KnownGaps = ReadonlyMap<string, string>;

const HINT = 'give --known-gaps a JSON object of case ids and reasons';

/** A JSON object: case id to reason. @throws LabError CASES_UNREADABLE */
export function readKnownGaps(path: string): KnownGaps {
  let content: Json;
  try {
    content = parseJson(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new LabError('CASES_UNREADABLE', `${path}: ${messageOf(cause)}`, { cause, hint: HINT });
  }
  if (!isObject(content)) {
    throw new LabError('CASES_UNREADABLE', `${path} is no list of known gaps`, { hint: HINT });
  }
  const gaps = new Map<string, string>();
  for (const [id, reason] of Object.entries(content)) {
    if (typeof reason !== 'string') {
      throw new LabError('CASES_UNREADABLE', `${path}: ${id} has no reason`, { hint: HINT });
    }
    gaps.set(id, reason);
  }
  return gaps;
}

/** Where the outcomes are not what the list says. */
export interface GapReport {
  /** Failed, and not listed. */
  readonly unlisted: readonly string[];
  /** Listed, and passed. */
  readonly closed: readonly string[];
}

export function compareWithGaps(outcomes: readonly Outcome[], gaps: KnownGaps): GapReport {
  const named = (verdict: Outcome['verdict'], isListed: boolean): string[] =>
    outcomes
      .filter((outcome) => outcome.verdict === verdict && isGap(outcome, gaps) === isListed)
      .map(({ id }) => id);
  return { unlisted: named('failed', false), closed: named('passed', true) };
}

/**
 * Writes the list anew: what fails now, with the reasons known before, and what did not run this
 * time as it was.
 * @returns the new list
 */
export function updateKnownGaps(
  path: string,
  outcomes: readonly Outcome[],
  gaps: KnownGaps,
): KnownGaps {
  const entries = new Map(gaps);
  const ids = outcomes.map(({ id }) => id);
  const twice = new Set(ids.filter((id, at) => ids.indexOf(id) !== at));
  for (const outcome of outcomes) {
    const { id, family, verdict } = outcome;
    const reason = gaps.get(`${family}/${id}`) ?? gaps.get(id) ?? `not yet: ${family}`;
    if (verdict === 'passed') entries.delete(`${family}/${id}`);
    if (!twice.has(id)) entries.delete(id);
    if (verdict === 'failed') entries.set(twice.has(id) ? `${family}/${id}` : id, reason);
  }
  for (const id of twice) entries.delete(id);
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`;
  writeAsked('--known-gaps', path, text);
  return new Map(sorted);
}

function isGap({ family, id }: Outcome, gaps: KnownGaps): boolean {
  return gaps.has(id) || gaps.has(`${family}/${id}`);
}
