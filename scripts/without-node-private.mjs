// Builds every package that does not depend on node-private where there is no node-private: mm-core
// and the others know nothing of it. `node scripts/without-node-private.mjs`; exits with 1 if one
// of them does not build.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './lib/run.mjs';

const ABSENT = '@mm-lab/node-private';
const manifests = readdirSync(join(root, 'packages')).map((folder) => {
  const text = readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8');
  const { name, dependencies = {} } = JSON.parse(text);
  return { folder, name, needs: Object.keys(dependencies) };
});
const absent = new Set([ABSENT]);
for (let size = 0; size !== absent.size; ) {
  size = absent.size;
  for (const { name, needs } of manifests) {
    if (needs.some((needed) => absent.has(needed))) absent.add(name);
  }
}
const kept = manifests.filter(({ name }) => !absent.has(name));

const target = mkdtempSync(join(tmpdir(), 'without-node-private-'));
try {
  for (const file of ['package.json', 'tsconfig.base.json']) {
    cpSync(join(root, file), join(target, file));
  }
  symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'));
  for (const { folder } of kept) {
    cpSync(join(root, 'packages', folder), join(target, 'packages', folder), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !/\/(dist|test)$/.test(path),
    });
  }
  const projects = kept.map(({ folder }) => join('packages', folder, 'tsconfig.build.json'));
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  execFileSync(tsc, ['-b', ...projects], { cwd: target, stdio: 'inherit' });
  const built = kept.map(({ name }) => name).join(', ');
  process.stdout.write(`built without ${ABSENT}: ${built}\n`);
} finally {
  rmSync(target, { recursive: true });
}
