import { PAGE_SIZE, type PageData, PageData as PageDataToken, type Plugin } from '@mm-lab/mm-core';
import { StepError } from '../step.js';

const WORDS = PAGE_SIZE / 4;

/**
 * What a page holds, as 32-bit words: word i is first + step * i, cut to `mask` if there is one,
 * but for the words in `others`.
 */
export interface PageWords {
  readonly first: number;
  readonly step: number;
  readonly mask: number;
  readonly others: Readonly<Record<number, number>>;
}

export const ZEROES: PageWords = { first: 0, step: 0, mask: -1, others: {} };

/** Word `at` of a page. */
export function wordOf({ first, step, mask, others }: PageWords, at: number): number {
  return others[at] ?? (first + step * at) & mask;
}

/** Do two pages hold the same? @returns the first word that differs, or -1 */
export function firstDifference(a: PageWords, b: PageWords): number {
  for (let at = 0; at < WORDS; at++) if (wordOf(a, at) !== wordOf(b, at)) return at;
  return -1;
}

/** The page with every word one more. */
export function incremented(page: PageWords): PageWords {
  const others = Object.fromEntries(
    Object.entries(page.others).map(([at, word]) => [at, word + 1]),
  );
  return { ...page, first: page.first + 1, others };
}

/** The page with another word at one place. */
export function withWord(page: PageWords, at: number, word: number): PageWords {
  return { ...page, others: { ...page.others, [at]: word } };
}

/** `index32+c` where c has a value: it counts the rounds of a loop. */
export function patternInRound(pattern: string, values: ReadonlyMap<string, number>): string {
  return pattern.replace(/^(index32\s*[+-]\s*)([A-Za-z_]\w*)$/, (_, head: string, name: string) => {
    return `${head}${values.get(name) ?? 0}`;
  });
}

/** What page `page` of a buffer holds under a pattern's name. @throws StepError */
export function patternPage(name: string, page: number): PageWords {
  const start = page * WORDS;
  const plus = /^index32\s*([+-])\s*(\d+)$/.exec(name);
  if (name === 'zero') return ZEROES;
  if (name === 'index32') return { ...ZEROES, first: start, step: 1 };
  if (name === 'neg_index32') return { ...ZEROES, first: -start, step: -1 };
  if (plus !== null) {
    const by = Number(plus[2]) * (plus[1] === '-' ? -1 : 1);
    return { ...ZEROES, first: start + by, step: 1 };
  }
  const mask = /^index32 & (0x[0-9A-Fa-f]+|\d+)$/.exec(name);
  if (mask !== null) return { ...ZEROES, first: start, step: 1, mask: Number(mask[1]) };
  const byte = /^byte:(0x[0-9A-Fa-f]+|\d+)$/.exec(name);
  if (byte !== null) return { ...ZEROES, first: Math.imul(Number(byte[1]) & 0xff, 0x01010101) };
  const constant = /^const32:(-?\d+)$/.exec(name);
  if (constant !== null) return { ...ZEROES, first: Number(constant[1]) };
  throw new StepError(`unknown pattern ${name}`);
}

/**
 * Page contents of scenarios: a page's bytes are named by its words, so that equal pages have equal
 * keys, and zeroes have key 0.
 */
export class PatternData implements PageData {
  /** What the next store writes. */
  next: PageWords = ZEROES;
  private readonly pages: PageWords[] = [ZEROES];
  private readonly keys = new Map<string, number>([[JSON.stringify(ZEROES), 0]]);
  private readonly keyByVersion: number[] = [];

  /** The plugin that gives a machine these contents. */
  plugin(): Plugin {
    return {
      name: 'conform-patterns',
      register: (services) => services.bindValue(PageDataToken, this),
    };
  }

  keyOf(_vpn: number, version: number): number {
    const known = this.keyByVersion[version];
    if (known !== undefined) return known;
    const key = this.keyOfPage(this.next);
    this.keyByVersion[version] = key;
    return key;
  }

  keyOfPage(page: PageWords): number {
    const isConstant = page.step === 0 && Object.keys(page.others).length === 0;
    const plain = isConstant && wordOf(page, 0) === 0 ? ZEROES : page;
    const name = JSON.stringify(plain);
    const known = this.keys.get(name);
    if (known !== undefined) return known;
    this.pages.push(plain);
    this.keys.set(name, this.pages.length - 1);
    return this.pages.length - 1;
  }

  pageOf(key: number): PageWords {
    return this.pages[key] ?? ZEROES;
  }

  render(key: number, out: Uint8Array): void {
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    const page = this.pageOf(key);
    for (let at = 0; at < WORDS; at++) view.setInt32(at * 4, wordOf(page, at), true);
  }

  compressedSize(key: number): number {
    return key === 0 ? 0 : 32;
  }
}
