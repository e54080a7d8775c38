import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const GIT_MS_MAX = 5000;
const PACKAGE = new URL('../../package.json', import.meta.url);

/**
 * The commit of the lab's own sources, `-dirty` if they differ from it; the version if there is no
 * git.
 */
export function commitOfLab(): string {
  const version = `@mm-lab/lab@${versionOfLab()}`;
  // Installed from a registry: the repository around it is the user's, not the lab's.
  if (PACKAGE.pathname.includes('/node_modules/')) return version;
  try {
    const hash = git('rev-parse', 'HEAD');
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return changed ? `${hash}-dirty` : hash;
  } catch {
    return version;
  }
}

/** The version in the package's manifest. */
export function versionOfLab(): string {
  const manifest: unknown = JSON.parse(readFileSync(PACKAGE, 'utf8'));
  const hasVersion = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return hasVersion ? String(manifest.version) : 'unknown';
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, {
    cwd: fileURLToPath(new URL('.', PACKAGE)),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: GIT_MS_MAX,
  }).trim();
}
