import { LabError } from '../error/lab-error.js';

/** Bytes of a page. */
export const PAGE_BYTES = 4096;

/** A page number has to stay a small integer: 2^31 pages are 8 TiB. */
const PAGES_MAX = 2 ** 31 - 1;

const BYTES_BY_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
  P: PAGE_BYTES,
};

const SIZE = /^(\d+(?:\.\d+)?)\s*(pages?|p|[kmgt](?:i?b)?|b)?$/i;

/**
 * Number of 4 KiB pages that a size means: `64M`, `1.5GiB`, `512k`, `3000pages`.
 *
 * @throws LabError SIZE_BAD if it is no size, not a whole number of pages, or not within
 *   1..2^31-1 pages
 */
export function parsePages(text: string): number {
  const match = SIZE.exec(text.trim());
  if (match === null) throw new LabError('SIZE_BAD', `${JSON.stringify(text)} is not a size`);
  const [, number = '', unit = ''] = match;
  const bytes = Number(number) * (BYTES_BY_UNIT[unit.charAt(0).toUpperCase()] ?? 1);
  const pages = bytes / PAGE_BYTES;
  if (!Number.isInteger(pages)) {
    throw new LabError('SIZE_BAD', `${JSON.stringify(text)} is ${pages} pages`);
  }
  if (pages < 1 || pages > PAGES_MAX) {
    throw new LabError('SIZE_BAD', `${JSON.stringify(text)} is outside 1..${PAGES_MAX} pages`);
  }
  return pages;
}

/** `12 MiB` for 3072 pages: at most three significant digits. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}
