import { readFileSync, writeFileSync } from 'node:fs';
import { LabError, messageOf } from '../error/lab-error.js';
import { isObject, type Json, parseJson } from './json.js';
import type { Outcome } from './outcome.js';

/** Why each case fails that is known to. */
export type KnownGaps = ReadonlyMap<string, string>;

/** A JSON object: case id to reason. @throws LabError CASES_UNREADABLE */
export function readKnownGaps(path: string): KnownGaps {
  let content: Json;
  try {
    content = parseJson(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new LabError('CASES_UNREADABLE', `${path}: ${messageOf(cause)}`, { cause });
  }
  const gaps = new Map<string, string>();
  for (const [id, reason] of Object.entries(isObject(content) ? content : {})) {
    if (typeof reason === 'string') gaps.set(id, reason);
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
  const failed = outcomes.filter(({ verdict }) => verdict === 'failed');
  const passed = outcomes.filter(({ verdict }) => verdict === 'passed');
  return {
    unlisted: failed.map(({ id }) => id).filter((id) => !gaps.has(id)),
    closed: passed.map(({ id }) => id).filter((id) => gaps.has(id)),
  };
}

/**
 * Writes the list anew: what fails now, with the reasons known before, and what did not run this
 * time as it was.
 */
export function updateKnownGaps(path: string, outcomes: readonly Outcome[], gaps: KnownGaps): void {
  const ran = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
  const entries = new Map<string, string>();
  for (const [id, reason] of gaps) if (ran.get(id)?.verdict !== 'passed') entries.set(id, reason);
  for (const { id, family, verdict } of outcomes) {
    if (verdict === 'failed' && !entries.has(id)) entries.set(id, `not yet: ${family}`);
  }
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(path, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}
