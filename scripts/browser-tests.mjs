// Tests that need a browser: `packages/lab/browser/*.test.mjs`, run by Node's own test runner.
// Each finds the browser's path in CHROMIUM_PATH, for `playwright-core`.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binFolder, cacheFolder, exitLike, root, run } from './lib/run.mjs';

const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
const folder = join(root, 'packages', 'lab', 'browser');
const countFile = join(cacheFolder, 'browser.json');
const tapFile = join(cacheFolder, 'browser.tap');

async function browserTests() {
  rmSync(countFile, { force: true });
  rmSync(tapFile, { force: true });
  const tests = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.endsWith('.test.mjs'))
    : [];
  if (tests.length === 0) {
    process.stdout.write('browser  no tests\n');
    return;
  }
  if (!existsSync(CHROMIUM)) {
    const installed = await installChromium();
    if (installed.code !== 0) return stop(installed);
  }
  mkdirSync(cacheFolder, { recursive: true });
  const result = await runTests(tests.sort().map((name) => join(folder, name)));
  writeFileSync(countFile, JSON.stringify(countTap()));
  exitLike(result);
}

async function installChromium() {
  process.stdout.write('browser  installing chromium …\n');
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const updated = await run('apt-get', ['update'], { quiet: true, env });
  if (updated.code !== 0) return updated;
  const args = ['install', '--yes', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'];
  return run('apt-get', args, { quiet: true, env });
}

function runTests(files) {
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tapFile}`,
  ];
  const args = ['--test', '--test-concurrency=1', ...reporters, ...files];
  return run(join(binFolder, 'node'), args, { env: { CHROMIUM_PATH: CHROMIUM } });
}

function countTap() {
  const tap = existsSync(tapFile) ? readFileSync(tapFile, 'utf8') : '';
  const count = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(tap)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail') + count('cancelled') };
}

function stop(result) {
  process.stderr.write(result.output);
  process.stderr.write(`browser tests need ${CHROMIUM}, and apt-get could not install it\n`);
  exitLike(result);
}

await browserTests();
