import { plainTable } from '../command/terminal-table.js';
import type { Json } from './json.js';
import type { Finding, Outcome } from './outcome.js';

const VALUE_CHARS_MAX = 120;

/** A line for each failing case, or with `all` one for each difference. */
export function differenceLines(outcomes: readonly Outcome[], all: boolean): readonly string[] {
  return outcomes.flatMap(({ id, verdict, findings }) => {
    if (verdict !== 'failed') return [];
    const [first] = findings;
    if (first === undefined) return [`${id}: failed`];
    if (all) return findings.map((finding) => `${id}: ${told(finding)}`);
    const more = findings.length > 1 ? ` (+${findings.length - 1} more)` : '';
    return [`${id}: ${told(first)}${more}`];
  });
}

/** Passed, failed and skipped by family. */
export function familyTable(outcomes: readonly Outcome[]): string {
  const families = [...new Set(outcomes.map(({ family }) => family))].sort();
  const rows = families.map((family) => {
    const own = outcomes.filter((outcome) => outcome.family === family);
    const count = (verdict: Outcome['verdict']): string =>
      String(own.filter((outcome) => outcome.verdict === verdict).length);
    return [family, count('passed'), count('failed'), count('skipped')];
  });
  const head = ['family', 'passed', 'failed', 'skipped'];
  return plainTable(head, rows, ['left', 'right', 'right', 'right']);
}

/** Why cases were skipped: each reason once, with how many. */
export function skipLines(outcomes: readonly Outcome[]): readonly string[] {
  const skipped = outcomes.filter(({ verdict }) => verdict === 'skipped');
  return countLines(
    'skipped',
    skipped.map(({ reason = 'no reason' }) => reason),
  );
}

/** What cases took from their own records: each kind once, with how many. */
export function noteLines(outcomes: readonly Outcome[]): readonly string[] {
  return countLines(
    'noted',
    outcomes.flatMap(({ notes = [] }) => notes),
  );
}

/** How many passed on a fresh boot, with nothing taken from their record: those without a note. */
export function freshPasses(outcomes: readonly Outcome[]): number {
  return outcomes.filter(({ verdict, notes = [] }) => verdict === 'passed' && notes.length === 0)
    .length;
}

/** The line before the last: what of the passed rests on nothing else. */
export function freshLine(outcomes: readonly Outcome[]): string {
  const count = freshPasses(outcomes);
  return `of the passed, ${count} on a fresh boot alone, with nothing read from their record`;
}

/** The last line of the command. */
export function totals(outcomes: readonly Outcome[]): string {
  const count = (verdict: Outcome['verdict']): number =>
    outcomes.filter((outcome) => outcome.verdict === verdict).length;
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
}

function countLines(what: string, texts: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => `${what}: ${text}: ${count}`);
}

function told({ step, field, kernel, model, message }: Finding): string {
  const where = step === '' ? '' : `step ${step}${field === '' ? '' : ` ${field}`}: `;
  if (message !== undefined) return `${where}${message}`;
  return `${where}kernel ${short(kernel)}, model ${short(model)}`;
}

function short(value: Json | undefined): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX - 1)}…`;
}
