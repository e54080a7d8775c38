// Installs what the lock file says, once: a stamp in node_modules remembers what was installed.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binFolder, cacheFolder, root, run } from './run.mjs';

const stampFile = join(cacheFolder, 'installed');

export function isInstalled() {
  const pinnedNode = join(binFolder, 'node');
  if (!existsSync(pinnedNode) || !existsSync(stampFile)) return false;
  return readFileSync(stampFile, 'utf8') === fingerprint();
}

/** Resolves to the result of pnpm; its output is kept back, to be shown when it fails. */
export async function install() {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const args = ['--yes', packageManager, 'install', '--frozen-lockfile'];
  // CI: pnpm asks no questions, for instance before it replaces a stale node_modules.
  const result = await run('npx', args, { quiet: true, env: { CI: 'true' } });
  if (result.code === 0) {
    mkdirSync(cacheFolder, { recursive: true });
    writeFileSync(stampFile, fingerprint());
  }
  return result;
}

/** A hash of every file that decides what is installed. */
function fingerprint() {
  const hash = createHash('sha256');
  const packages = readdirSync(join(root, 'packages')).sort();
  const files = [
    'package.json',
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    ...packages.map((name) => join('packages', name, 'package.json')),
  ];
  for (const file of files) {
    const path = join(root, file);
    if (existsSync(path)) hash.update(file).update(readFileSync(path));
  }
  return hash.digest('hex');
}
