// Writes the pages of docs/ that are generated from the code or from what it does, and the figures
// of docs/discussion.md, which the experiments measure. Run it after a build:
// `pnpm build && node_modules/.bin/node scripts/generate-docs.mjs`. A test fails while they differ.
// Names of experiments after it: only their figures are measured again.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as lab from '@mm-lab/lab';
import * as core from '@mm-lab/mm-core';
import * as nodePrivate from '@mm-lab/node-private';
import * as workloads from '@mm-lab/workloads';
import { runServices, servicesPage } from '../experiments/coherent/services/page.ts';
import { burdenPage } from './burden/page.ts';
import { discussed, discussionPage } from './docs/discussion-page.mjs';
import { experimentOf } from './docs/experiments.mjs';
import { generatedPages } from './docs/pages.mjs';
import { root } from './lib/run.mjs';

for (const [path, text] of Object.entries(generatedPages({ core, workloads, nodePrivate, lab }))) {
  writeFileSync(join(root, path), text);
  process.stdout.write(`${path}\n`);
}

writeFileSync(join(root, 'docs/services.md'), servicesPage(runServices()));
process.stdout.write('docs/services.md\n');

writeFileSync(join(root, 'docs/driver-burden.md'), burdenPage());
process.stdout.write('docs/driver-burden.md\n');

const discussion = join(root, 'docs/discussion.md');
const page = readFileSync(discussion, 'utf8');
const outcomes = {};
const only = process.argv.slice(2);
for (const name of discussed(page)) {
  if (only.length > 0 && !only.includes(name)) continue;
  outcomes[name] = await lab.runProbe(await experimentOf(root, name));
}
writeFileSync(discussion, discussionPage(page, outcomes));
process.stdout.write('docs/discussion.md\n');
