import { PAGE_SIZE } from '@mm-lab/mm-core';
import { StepError } from '../step.js';

/** A range of memory that a scenario names. */
export interface Buffer {
  start: number;
  size: number;
}

/** Pages or single words of a buffer. */
export interface Selection {
  /** Pages, by number in the buffer. */
  readonly pages: readonly number[];
  /** Only this word of each page; -1: all. */
  readonly word: number;
}

const WORDS = PAGE_SIZE / 4;

/**
 * The part of a buffer that a range's text names. @param hole pages that were unmapped last, for
 * the texts that mean it @throws StepError
 */
export function selectionOf(
  text: string | undefined,
  { size }: Buffer,
  hole: { readonly from: number; readonly to: number },
): Selection {
  const count = size / PAGE_SIZE;
  const all = (from: number, to: number): Selection => ({ pages: span(from, to), word: -1 });
  if (text === undefined || text === 'all') return all(0, count);
  const pages = /^pages? (\d+)\.\.(end|\d+)$/.exec(text);
  if (pages !== null)
    return all(Number(pages[1]), pages[2] === 'end' ? count : Number(pages[2]) + 1);
  const page = /^page (\d+)$/.exec(text);
  if (page !== null) return all(Number(page[1]), Number(page[1]) + 1);
  const first = /^first (?:int32|word)(?: of page (\d+))?$/.exec(text);
  if (first !== null) return { pages: [Number(first[1] ?? 0)], word: 0 };
  const word = /^(?:int32|word) number (\d+)$/.exec(text);
  if (word !== null) {
    return { pages: [Math.floor(Number(word[1]) / WORDS)], word: Number(word[1]) % WORDS };
  }
  if (text === 'first half') return all(0, count / 2);
  if (text === 'second half') return all(count / 2, count);
  const outside = span(0, count).filter((at) => at < hole.from || at >= hole.to);
  if (text === 'everything outside the hole') return { pages: outside, word: -1 };
  throw new StepError(`unknown range ${text}`);
}

function span(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);
}
