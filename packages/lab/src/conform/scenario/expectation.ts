import { errnoName, PAGE_SIZE } from '@mm-lab/mm-core';
import { isArray, isObject, type Json } from '../json.js';
import type { Finding } from '../outcome.js';
import { type Step, StepError } from '../step.js';
import { type Buffer, selectionOf } from './buffer.js';
import type { Observed } from './observed.js';
import {
  firstDifference,
  type PageWords,
  patternInRound,
  patternPage,
  wordOf,
  ZEROES,
} from './pattern.js';
import type { ScenarioProcess } from './scenario-process.js';

/** Where an expectation is held against what was seen. */
export interface Seen {
  readonly process: ScenarioProcess;
  readonly observed: Observed;
  readonly buffer: Buffer | null;
  /** Value of an expression of the scenario. */
  evaluate(text: string): number;
  /** What loops and parameters set. */
  readonly values: ReadonlyMap<string, number>;
}

/** Judges one expectation. @returns what is wrong, or null @throws StepError if it is unknown */
export function judge(expected: Step, seen: Seen): Omit<Finding, 'step'> | null {
  const field = expected.text('observe', '');
  const { observed } = seen;
  switch (field) {
    case 'return':
      return same(field, returnOf(expected, seen), observed.rc);
    case 'cpages':
      return same(field, numberOf(expected, seen), observed.cpages);
    case 'faults':
      return same(field, numberOf(expected, seen), observed.faults);
    case 'value':
      return same(field, numberOf(expected, seen), observed.value);
    case 'mirror':
      return pages(expected, seen, (page) => seen.process.mirror[page] ?? ZEROES);
    case 'memory':
      return pages(expected, seen, (page) => observed.memory.get(page) ?? null);
    case 'snapshot':
      return snapshot(expected, observed);
    case 'pagemap':
      return pagemap(expected, observed);
    case 'handle':
      return same(field, 'valid', observed.rc >= 0 ? 'valid' : 'invalid');
    case 'child_exited':
      return same(field, expected.get('equals') ?? true, observed.childExited);
    case 'child_status':
      return same(field, numberOf(expected, seen), observed.childStatus);
    case 'child_killed_by':
      return same(field, expected.get('equals') ?? '', observed.childKilledBy);
    case 'no_crash':
    case 'report':
      return null;
    default:
      throw new StepError(`unknown observable ${field}`);
  }
}

function same(field: string, wanted: Json, found: Json): Omit<Finding, 'step'> | null {
  return wanted === found ? null : { field, kernel: wanted, model: found };
}

/** A number, an expression, `-EPERM`, or `N bytes`; of several in a list any will do. */
function returnOf(expected: Step, seen: Seen): Json {
  const wanted = expected.get('equals') ?? 0;
  if (!isArray(wanted)) return oneReturnOf(wanted, seen);
  const any = wanted.map((one) => oneReturnOf(one, seen));
  return any.includes(seen.observed.rc) ? seen.observed.rc : wanted;
}

function oneReturnOf(wanted: Json, seen: Seen): Json {
  const { rc } = seen.observed;
  const error = rc < 0 ? `-${errnoName(rc)}` : '';
  if (typeof wanted === 'string' && wanted.startsWith('-E')) return wanted === error ? rc : wanted;
  if (typeof wanted === 'string') return seen.evaluate(wanted.replace(/ bytes$/, ''));
  return wanted;
}

function numberOf(expected: Step, seen: Seen): Json {
  const wanted = expected.get('equals') ?? 0;
  return typeof wanted === 'string' ? seen.evaluate(wanted) : wanted;
}

function pages(
  expected: Step,
  { process, buffer, values }: Seen,
  found: (page: number) => PageWords | null,
): Omit<Finding, 'step'> | null {
  const field = expected.text('observe', '');
  const size = buffer?.size ?? process.mirror.length * PAGE_SIZE;
  const text = expected.has('range') ? expected.text('range', '') : undefined;
  const chosen = selectionOf(text, { start: 0, size }, process.hole);
  const pattern = patternInRound(expected.text('pattern', 'zero'), values);
  for (const page of chosen.pages) {
    const wanted = patternPage(pattern, page);
    const seen = found(page);
    if (seen === null) return { field: `${field} page ${page}`, kernel: 'readable', model: 'not' };
    const at = chosen.word < 0 ? firstDifference(wanted, seen) : chosen.word;
    if (at < 0 || wordOf(wanted, at) === wordOf(seen, at)) continue;
    const where = `${field} page ${page} word ${at}`;
    return { field: where, kernel: wordOf(wanted, at), model: wordOf(seen, at) };
  }
  return null;
}

function snapshot(expected: Step, observed: Observed): Omit<Finding, 'step'> | null {
  if (expected.has('all_pages')) {
    const wanted = Number(expected.text('all_pages', '0'));
    const other = observed.snapshot.find((byte) => byte !== wanted);
    return other === undefined ? null : { field: 'snapshot', kernel: wanted, model: other };
  }
  const byPage = expected.get('pages');
  for (const [page, byte] of Object.entries(isObject(byPage) ? byPage : {})) {
    const wanted = Number(byte);
    const found = observed.snapshot[Number(page)] ?? -1;
    if (found !== wanted) return { field: `snapshot page ${page}`, kernel: wanted, model: found };
  }
  return null;
}

function pagemap(expected: Step, observed: Observed): Omit<Finding, 'step'> | null {
  const all = expected.get('all_pages');
  const wanted = isObject(all) ? all : {};
  for (const { swapped, present } of observed.pagemap) {
    const bits = { swap_bit_62: Number(swapped), present_bit_63: Number(present) };
    for (const [name, bit] of Object.entries(bits)) {
      if (wanted[name] !== undefined && wanted[name] !== bit) {
        return { field: `pagemap ${name}`, kernel: wanted[name], model: bit };
      }
    }
  }
  return null;
}
