// A plane of figures in a browser: cells, the curve over them, its numbers folded away.
// Run by scripts/browser-tests.mjs, after a build.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const LAB = join(dirname(fileURLToPath(import.meta.url)), '..');
const EXPERIMENT = join(LAB, '..', '..', 'experiments', 'cram', 'h04-race.ts');
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'];

let folder;
let browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mm-lab-plane-'));
  const args = [join(LAB, 'dist', 'cli.js'), 'run', EXPERIMENT, '--out', join(folder, 'run')];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: FLAGS,
  });
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a plane has cells, a curve over them, and its numbers in results.json', async () => {
  const results = JSON.parse(readFileSync(join(folder, 'run', 'results.json'), 'utf8'));
  const plane = results.figures.tables.find(({ chart }) => chart?.kind === 'plane');
  assert.ok(plane.rows.length > 0 && plane.chart.curves[0].points.length > 1);
  const page = await browser.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(pathToFileURL(join(folder, 'run', 'report.html')).href);
  const paths = await page.locator('#figures .plot svg path').count();
  assert.ok(paths > plane.rows.length, `${paths} paths for ${plane.rows.length} cells`);
  const legend = await page.locator('#figures .plot svg text').allTextContents();
  for (const name of ['survives', 'loses data', plane.chart.curves[0].name]) {
    assert.ok(legend.includes(name), `the legend names ${name}`);
  }
  assert.equal(await page.locator('#figures details td').first().isVisible(), false);
  await page.locator('#figures details summary').click();
  assert.equal(await page.locator('#figures details tr').count(), plane.rows.length + 1);
  assert.deepEqual(complaints, []);
  await page.close();
});
