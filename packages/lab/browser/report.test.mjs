// The report in a browser: it draws, it fits a phone, it prints, it follows the colour scheme.
// Run by scripts/browser-tests.mjs, after a build.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const LAB = join(dirname(fileURLToPath(import.meta.url)), '..');
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const CHARTS = ['occupancy', 'device', 'faults', 'migrations', 'latency'];

let folder;
let address;
let browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mm-lab-report-'));
  const out = join(folder, 'run');
  const cli = join(LAB, 'dist', 'cli.js');
  const args = [cli, 'compare', '--rows', '60000', '--dram', '10M', '--out', out];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8' });
  // 1: a claim may well fail on a shortened run; the report is what is tested here.
  assert.ok(run.status === 0 || run.status === 1, run.stderr);
  address = pathToFileURL(join(out, 'report.html')).href;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: FLAGS,
  });
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the report; what the page complains about and what it asks the network for is kept. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (request.url() !== address) complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(address);
  return { page, complaints, close: () => context.close() };
}

test('draws every chart, with no complaint and nothing from the network', async () => {
  const { page, complaints, close } = await open();
  for (const id of CHARTS) {
    const lines = page.locator(`#chart-${id} .plot svg path`);
    assert.ok((await lines.count()) > 2, `${id} has lines`);
    const label = await page.locator(`#chart-${id} .plot`).getAttribute('aria-label');
    assert.match(label, /all-dram|cram/, `${id} says what it shows`);
  }
  assert.deepEqual(complaints, []);
  await close();
});

test('every chart has its numbers in a table', async () => {
  const { page, close } = await open();
  for (const id of CHARTS) {
    await page.locator(`#chart-${id} summary`).click();
    // The table is filled when it is opened for the first time.
    await page.locator(`#chart-${id} details td`).nth(6).waitFor();
  }
  await close();
});

test('fits a phone: nothing scrolls sideways, the comparison becomes cards', async () => {
  const { page, complaints, close } = await open({ viewport: PHONE });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= PHONE.width, `the page is ${width} wide`);
  const card = await page.locator('.comparison tbody tr').first().boundingBox();
  assert.ok(card.x >= 0 && card.x + card.width <= PHONE.width);
  const chart = await page.locator('#chart-latency svg').boundingBox();
  assert.ok(chart.width > 250 && chart.x + chart.width <= PHONE.width);
  assert.deepEqual(complaints, []);
  await close();
});

test('charts follow the width of the window', async () => {
  const { page, close } = await open();
  await page.setViewportSize({ width: 700, height: 900 });
  await page.waitForFunction(() => {
    const svg = document.querySelector('#chart-faults svg');
    return svg !== null && svg.getBoundingClientRect().width <= 700;
  });
  await close();
});

test('a variant can be left out of all charts', async () => {
  const { page, close } = await open();
  const panels = () => page.locator('#chart-occupancy .panel-plot').count();
  const all = await panels();
  await page.locator('[data-toggle="zram"]').click();
  assert.equal(await panels(), all - 1);
  assert.equal(await page.locator('[data-toggle="zram"]').getAttribute('aria-pressed'), 'false');
  await page.locator('[data-toggle="zram"]').click();
  await page.locator('input[value="time"]').check();
  assert.equal(await panels(), all);
  await close();
});

test('the colour scheme decides between ink on paper and light on dark', async () => {
  const background = async (colorScheme) => {
    const { page, close } = await open({ colorScheme });
    const colour = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const text = await page.locator('#chart-faults svg text').first().getAttribute('fill');
    await close();
    return { colour, text };
  };
  const [light, dark] = [await background('light'), await background('dark')];
  assert.notEqual(light.colour, dark.colour);
  assert.notEqual(light.text, dark.text);
});

test('prints on white, at the width of the paper, even from a dark screen', async () => {
  const { page, complaints, close } = await open({ colorScheme: 'dark' });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  const look = await page.evaluate(() => ({
    paper: getComputedStyle(document.body).backgroundColor,
    axisShown: getComputedStyle(document.querySelector('.axis')).display,
  }));
  assert.deepEqual(look, { paper: 'rgb(255, 255, 255)', axisShown: 'none' });
  for (const svg of await page.locator('.chart svg').all()) {
    assert.match(await svg.getAttribute('viewBox'), /^0 0 \d+ \d+$/);
  }
  const pdf = await page.pdf({ format: 'A4' });
  const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? [];
  assert.ok(pages.length >= 2 && pages.length <= 8, `${pages.length} pages`);
  assert.deepEqual(complaints, []);
  await close();
});

test('mm-lab report writes the same page again from the numbers', () => {
  const path = fileURLToPath(address);
  const first = readFileSync(path, 'utf8');
  writeFileSync(path, 'lost');
  const args = [join(LAB, 'dist', 'cli.js'), 'report', dirname(path)];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.equal(readFileSync(path, 'utf8'), first);
});
