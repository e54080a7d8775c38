import { readFileSync } from 'node:fs';
import * as lab from '@mm-lab/lab';
import * as core from '@mm-lab/mm-core';
import * as nodePrivate from '@mm-lab/node-private';
import * as workloads from '@mm-lab/workloads';
import { expect, test } from 'vitest';
// @ts-expect-error plain JavaScript, because it also runs without a build of its own
import { generatedPages } from './pages.mjs';

const ROOT = new URL('../../', import.meta.url);
const pages: Record<string, string> = generatedPages({ core, workloads, nodePrivate, lab });

test.for(Object.entries(pages))('%s is what the code says', ([path, text]) => {
  const hint = 'run `node_modules/.bin/node scripts/generate-docs.mjs` after a build';
  expect(readFileSync(new URL(path, ROOT), 'utf8'), hint).toBe(text);
});
