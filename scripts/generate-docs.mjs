// Writes the pages of docs/ that are generated from the code. Run it after a build:
// `pnpm build && node_modules/.bin/node scripts/generate-docs.mjs`. A test fails while they differ.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as lab from '@mm-lab/lab';
import * as core from '@mm-lab/mm-core';
import * as nodePrivate from '@mm-lab/node-private';
import * as workloads from '@mm-lab/workloads';
import { generatedPages } from './docs/pages.mjs';
import { root } from './lib/run.mjs';

for (const [path, text] of Object.entries(generatedPages({ core, workloads, nodePrivate, lab }))) {
  writeFileSync(join(root, path), text);
  process.stdout.write(`${path}\n`);
}
