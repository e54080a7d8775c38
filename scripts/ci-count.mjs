// Prints `<passed> <failed>` for `.ci/run`: the phases of `npm test`, vitest's own tests, and the
// browser's. What left no file behind counts for nothing here; its exit code counts in `.ci/run`.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './lib/run.mjs';

function read(name) {
  const file = join(cacheFolder, name);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

const counts = [];
// The tests phase is counted by its tests, unless it died before it could report them.
const vitest = read('vitest.json');
for (const { name, passed } of read('phases.json') ?? []) {
  if (name === 'tests' && vitest !== undefined) continue;
  counts.push({ passed: passed ? 1 : 0, failed: passed ? 0 : 1 });
}
if (vitest !== undefined) {
  counts.push({ passed: vitest.numPassedTests, failed: failedTests(vitest) });
}
counts.push(read('browser.json') ?? { passed: 0, failed: 0 });

let passed = 0;
let failed = 0;
for (const count of counts) {
  passed += count.passed;
  failed += count.failed;
}
process.stdout.write(`${passed} ${failed}\n`);

/** A file that fails to load has no failed test in it: it counts as one. */
function failedTests({ testResults, numFailedTests }) {
  const dead = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return numFailedTests + dead.length;
}
