/**
 * What the tests of the experiment folders share: every claim holds, and docs/discussion.md has a
 * section with the figures of each.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type Figures,
  type FigureTable,
  type Probe,
  type ProbeOutcome,
  runProbe,
} from '@mm-lab/lab';
import { expect, test } from 'vitest';
// @ts-expect-error plain JavaScript, because the generator also runs without a build of its own
import * as pages from '../scripts/docs/discussion-page.mjs';
// @ts-expect-error as above
import * as experiments from '../scripts/docs/experiments.mjs';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** An experiment takes seconds; a machine that does much else takes ten times as long. */
const TIMEOUT_MS = 120_000;

/** Makes other figures of those that were measured. */
type Doctor = (figures: Figures) => Figures;

function unknownColumns({ columns, chart }: FigureTable): readonly string[] {
  if (chart === undefined) return [];
  const colour = chart.kind === 'plane' ? [chart.colour] : [];
  return [chart.x, chart.y, colour].flat().filter((name) => !columns.includes(name));
}

/**
 * Defines the tests of one folder of experiments.
 * @param doctored by experiment and by how a claim begins: figures on which it must fail
 */
export function testDiscussed(
  folder: 'node' | 'cram' | 'coherent',
  doctored: Readonly<Record<string, Readonly<Record<string, Doctor>>>> = {},
): void {
  const names: readonly string[] = experiments.experimentNames(ROOT, folder);
  const outcomes: Record<string, ProbeOutcome> = {};

  test.for(names)('%s: every claim holds', { timeout: TIMEOUT_MS }, async (name) => {
    const probe: Probe = await experiments.experimentOf(ROOT, name);
    const outcome = await runProbe(probe);
    outcomes[name] = outcome;
    expect(outcome.claims.length, 'an experiment claims something').toBeGreaterThan(0);
    expect(outcome.claims.filter(({ holds }) => !holds)).toEqual([]);
    const drawn = outcome.figures.tables.filter(({ chart }) => chart !== undefined);
    expect(drawn.flatMap(unknownColumns), 'a chart draws columns of its table').toEqual([]);
    if (folder === 'cram') expect(drawn.length, 'the report draws it').toBeGreaterThan(0);
    for (const [start, doctor] of Object.entries(doctored[name] ?? {})) {
      const other = { ...probe, probe: () => doctor(outcome.figures) };
      const { claims } = await runProbe(other);
      const failed = claims.filter(({ holds }) => !holds).map(({ text }) => text);
      expect(failed, `${start} … fails on other figures`).toEqual([
        expect.stringMatching(new RegExp(`^${start}`)),
      ]);
    }
  });

  test('docs/discussion.md shows every experiment, with the figures that they measure', () => {
    const page = readFileSync(`${ROOT}docs/discussion.md`, 'utf8');
    const hint = 'run `node_modules/.bin/node scripts/generate-docs.mjs` after a build';
    const shown: readonly string[] = pages.discussed(page);
    const known = experiments.FOLDERS.flatMap((each: string) =>
      experiments.experimentNames(ROOT, each),
    );
    expect(shown, 'each has a section').toEqual(expect.arrayContaining([...names]));
    expect(known, 'no section is without').toEqual(expect.arrayContaining([...shown]));
    expect(pages.discussionPage(page, outcomes), hint).toBe(page);
  });
}
