// Runs every benchmark at a tiny size: do they still run? Figures mean nothing here.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const RUNS = [
  ['hot-path.mjs', '--pages', '600', '--rows', '20000', '--runs', '1'],
  ['idle-plugin.mjs', '--processes', '1', '--turns', '2', '--pages', '300', '--rows', '5000'],
  ['build-1tib.mjs', '--gib', '8', '--touch', '1000'],
  ['device-path.mjs', '--pages', '600', '--rows', '20000', '--runs', '1'],
  ['codec-share.mjs', '--mib', '8'],
];

for (const [script, ...options] of RUNS) {
  const path = join(import.meta.dirname, script);
  const { status } = spawnSync(process.execPath, [path, ...options], { stdio: 'inherit' });
  if (status !== 0) {
    console.error(`bench: ${script} failed`);
    process.exitCode = 1;
  }
}
