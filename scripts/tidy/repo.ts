import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A file of the repository. `text` is empty for files that no rule reads. */
export interface RepoFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly sizeBytes: number;
}

export interface Repo {
  readonly files: readonly RepoFile[];
}

const FILES_MAX = 20_000;
const TEXT_BYTES_MAX = 2_000_000;
const TEXT = /\.(?:ts|mjs|js|md|json|yaml|yml|html|css)$/;
/** Folders that git ignores, by name anywhere or by path. */
const IGNORED_NAMES = new Set(['.git', 'node_modules', 'dist', 'runs', 'coverage']);
const IGNORED_PATHS = new Set(['docs/api']);

/** Reads the tree once; every rule works on the result. */
export function readRepo(root: string): Repo {
  const files: RepoFile[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!IGNORED_NAMES.has(entry.name) && !IGNORED_PATHS.has(path)) folders.push(path);
      } else if (entry.isFile()) {
        files.push(readFile(root, path));
      }
    }
    if (files.length > FILES_MAX) throw new Error(`more than ${FILES_MAX} files under ${root}`);
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files };
}

/** A repository made of strings, for the checker's own tests. */
export function repoOf(texts: Readonly<Record<string, string>>): Repo {
  const files = Object.entries(texts).map(([path, text]) => ({
    path,
    text,
    sizeBytes: Buffer.byteLength(text),
  }));
  return { files };
}

/** TypeScript and JavaScript. */
export function isCode(path: string): boolean {
  return /\.(?:ts|mjs|js)$/.test(path) && !isData(path);
}

export function isTest(path: string): boolean {
  return /\.test\.(?:ts|mjs)$/.test(path) || /^packages\/[^/]+\/test\//.test(path);
}

/** Data folders hold what was recorded or generated; nobody reads them line by line. */
export function isData(path: string): boolean {
  return /(?:^|\/)(?:data|cases)\//.test(path) && !isPackageSource(path);
}

/** `mm-core` for anything below `packages/mm-core/`. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1];
}

/** Is it a source file of a package: `packages/<name>/src/…`? */
export function isPackageSource(path: string): boolean {
  return /^packages\/[^/]+\/src\/.*\.ts$/.test(path);
}

function readFile(root: string, path: string): RepoFile {
  const full = join(root, path);
  const sizeBytes = statSync(full).size;
  const wanted = TEXT.test(path) && !isData(path) && sizeBytes <= TEXT_BYTES_MAX;
  return { path, text: wanted ? readFileSync(full, 'utf8') : '', sizeBytes };
}
