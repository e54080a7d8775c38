#!/usr/bin/env node
// The `mm-lab` command: finds a Node that is new enough, then runs the built command line.
// Plain JavaScript for any Node from 18 on, because it runs before we know which Node we have.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const PARENT_LEVELS_MAX = 8;

const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, '..', 'dist', 'cli.js');
const major = Number(process.versions.node.split('.')[0]);

if (!existsSync(cli)) {
  fail('mm-lab is not built yet: run `npm start` or `pnpm build` first.');
} else if (major >= NODE_MAJOR_MIN) {
  await import(cli);
} else {
  const node = pinnedNode();
  if (node === undefined) {
    fail(`mm-lab needs Node ${NODE_MAJOR_MIN} or newer, and this is ${process.version}.`);
  } else {
    runUnder(node);
  }
}

/** The Node that the lock file pins: the nearest `node_modules/.bin/node` above this file. */
function pinnedNode() {
  let folder = here;
  for (let level = 0; level < PARENT_LEVELS_MAX; level++) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) return candidate;
    folder = dirname(folder);
  }
  return undefined;
}

function runUnder(node) {
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to the whole group: the child ends first and we report how.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`mm-lab could not start ${node}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? 1;
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function fail(line) {
  process.stderr.write(`${line}\n`);
  process.exitCode = 2;
}
