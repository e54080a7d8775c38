import type { Finding } from './finding.ts';
import type { Repo } from './repo.ts';
import { isData } from './repo.ts';

const MEGABYTE = 1_000_000;
const BLOB_BYTES_MAX = 5 * MEGABYTE;
const REPO_BYTES_MAX = 60 * MEGABYTE;
const LINUX_MAP = 'docs/linux-map.md';
const LOCK_FILE = 'pnpm-lock.yaml';
/** Home and work folders of whoever wrote it. */
const MACHINE_PATH = /(?:^|[\s"'`(=:])\/(?:home|root|Users|work)\/[\w.-]/;

/** What is written for people, and what is stored. */
export function checkDocuments(repo: Repo): readonly Finding[] {
  return [...checkTitles(repo), ...checkLinuxMap(repo), ...checkSizes(repo), ...checkMachine(repo)];
}

function checkTitles(repo: Repo): readonly Finding[] {
  return repo.files
    .filter(
      ({ path, text }) => path.endsWith('.md') && !isData(path) && !/^# \S/.test(text.trimStart()),
    )
    .map(({ path }) => {
      return { path, line: 1, rule: 'title', message: 'starts with a title: `# What this is`' };
    });
}

/** The map from kernel functions to our files names files that exist. */
function checkLinuxMap(repo: Repo): readonly Finding[] {
  const map = repo.files.find(({ path }) => path === LINUX_MAP);
  if (map === undefined) return [];
  const known = new Set(repo.files.map(({ path }) => path));
  const findings: Finding[] = [];
  for (const [index, line] of map.text.split('\n').entries()) {
    for (const [name] of line.matchAll(/packages\/[\w./-]+\.ts\b/g)) {
      if (known.has(name)) continue;
      const message = `${name} does not exist`;
      findings.push({ path: LINUX_MAP, line: index + 1, rule: 'linux-map', message });
    }
  }
  return findings;
}

function checkSizes(repo: Repo): readonly Finding[] {
  const findings: Finding[] = [];
  let totalBytes = 0;
  for (const { path, sizeBytes } of repo.files) {
    totalBytes += sizeBytes;
    if (sizeBytes <= BLOB_BYTES_MAX || isData(path)) continue;
    const message = `${megabytes(sizeBytes)}, at most ${megabytes(BLOB_BYTES_MAX)} outside data/`;
    findings.push({ path, line: 0, rule: 'blob', message });
  }
  if (totalBytes > REPO_BYTES_MAX) {
    const message = `${megabytes(totalBytes)} in all, at most ${megabytes(REPO_BYTES_MAX)}`;
    findings.push({ path: '.', line: 0, rule: 'blob', message });
  }
  return findings;
}

/** Nothing in the repository names the machine or the registry it was made on. */
function checkMachine(repo: Repo): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of repo.files) {
    if (isData(path) || path.includes('/tidy/')) continue;
    const banned = path === LOCK_FILE ? /https?:/ : MACHINE_PATH;
    if (!banned.test(text)) continue;
    for (const [index, line] of text.split('\n').entries()) {
      if (!banned.test(line)) continue;
      const message = 'names the machine it was written on: use a relative path or a package name';
      findings.push({ path, line: index + 1, rule: 'machine', message });
    }
  }
  return findings;
}

function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}
