import { expect, test } from 'vitest';
import { reportPage } from '../../src/report/report-page.js';
import { fakeRun } from '../support/fake-run.js';

const BYTES_MAX = 3_000_000;

test('a report carries everything inside itself and stays below 3 MB', () => {
  const page = reportPage(fakeRun());
  expect(Buffer.byteLength(page)).toBeLessThan(BYTES_MAX);
  const withoutScripts = page.replace(/<script[^>]*>[\s\S]*?<\/script>/g, '');
  expect(withoutScripts).not.toMatch(/<(?:link|img|iframe)\b|src=|@import|url\(/);
});

test('what a question or a claim says cannot become markup', () => {
  const run = fakeRun();
  const evil = '</script><script>alert(1)</script><img onerror="alert(2)">';
  const page = reportPage({
    ...run,
    results: { ...run.results, question: evil, claims: [{ text: evil, holds: true }] },
    series: { variants: run.series.variants.map((variant) => ({ ...variant, name: evil })) },
  });
  expect(page).not.toContain('<script>alert');
  expect(page).not.toContain('<img onerror');
});

test('the comparison marks the best, the worst and what is never acceptable', () => {
  const page = reportPage(fakeRun());
  const row = /<tr class="">\s*<th scope="row"><span[^>]*data-variant="unguarded"[\s\S]*?<\/tr>/;
  const text = row
    .exec(page)?.[0]
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .split(/(?<=\)) /);
  expect(text).toMatchInlineSnapshot(`
    [
      "unguarded The device as ordinary memory 4.84 s (best)",
      "1.21× 126 ns (best)",
      "1.21× 303 ns (best)",
      "1.21× 1.21 µs (best)",
      "1.21× 41 (failure)",
      "41 (failure)",
      "0 0 3.6 k 7.2 k 0 0 13 MiB 11.7 MiB (best)",
      "6.07 k 0",
    ]
  `);
});

test('the same run gives the same page', () => {
  expect(reportPage(fakeRun())).toBe(reportPage(fakeRun()));
});
