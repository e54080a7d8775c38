// `npm test`: install, types, lint, docs, tests (tidy among them), with a line per phase.
// Stops at the first phase that fails. What follows `--` goes to vitest, as in
// `npm test -- packages/cram`.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install, isInstalled } from './lib/install.mjs';
import { binFolder, cacheFolder, exitLike, run } from './lib/run.mjs';

const phasesFile = join(cacheFolder, 'phases.json');
const vitestFile = join(cacheFolder, 'vitest.json');

const PHASES = [
  { name: 'install', steps: [installOnce] },
  {
    name: 'types',
    steps: [tool('tsc', ['-b', 'tsconfig.build.json']), tool('tsc', ['--noEmit'])],
  },
  { name: 'lint', steps: [tool('biome', ['ci', '--error-on-warnings', '--colors=off'])] },
  { name: 'docs', steps: [tool('typedoc', ['--emit', 'none'])] },
  { name: 'tests', steps: [unitTests] },
];

async function test() {
  rmSync(phasesFile, { force: true });
  rmSync(vitestFile, { force: true });
  const done = [];
  for (const { name, steps } of PHASES) {
    const start = performance.now();
    const result = await runSteps(steps);
    const passed = result.code === 0;
    done.push({ name, passed });
    record(done);
    if (!passed) process.stdout.write(result.output);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    process.stdout.write(`${name.padEnd(8)} ${passed ? 'ok' : 'FAILED'} ${seconds} s\n`);
    if (!passed) return exitLike(result);
  }
}

async function runSteps(steps) {
  let result = { code: 0, signal: null, output: '' };
  for (const step of steps) {
    result = await step();
    if (result.code !== 0) break;
  }
  return result;
}

function tool(name, args) {
  return () => run(join(binFolder, name), args, { quiet: true });
}

async function installOnce() {
  return isInstalled() ? { code: 0, signal: null, output: '' } : install();
}

function unitTests() {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${vitestFile}`];
  return run(join(binFolder, 'vitest'), ['run', ...reporters, ...process.argv.slice(2)]);
}

/** CI counts from this file, see `scripts/ci-count.mjs`. */
function record(done) {
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(phasesFile, JSON.stringify(done));
}

await test();
