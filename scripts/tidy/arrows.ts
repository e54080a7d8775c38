import type { Finding } from './finding.ts';
import type { Repo, RepoFile } from './repo.ts';
import { isPackageSource, packageOf } from './repo.ts';
import { importsOf } from './syntax.ts';

const SCOPE = '@mm-lab/';

/** Which package may import which. A new arrow needs a word in docs/decisions.md. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'mm-core': [],
  'node-private': ['mm-core'],
  cram: ['mm-core', 'node-private'],
  'backend-cxl-compress': ['cram', 'mm-core', 'node-private'],
  'backend-device-coherent': ['mm-core', 'node-private'],
  'backend-zone-device': ['mm-core'],
  workloads: ['mm-core'],
  testkit: ['mm-core'],
  lab: [
    'backend-cxl-compress',
    'backend-device-coherent',
    'backend-zone-device',
    'cram',
    'mm-core',
    'node-private',
    'workloads',
  ],
};

/** The arrows between packages, and that each package declares what it imports and no more. */
export function checkArrows(repo: Repo): readonly Finding[] {
  return [...checkImports(repo), ...checkManifests(repo)];
}

function checkImports(repo: Repo): readonly Finding[] {
  const findings: Finding[] = [];
  for (const file of repo.files) {
    const from = packageOf(file.path);
    if (from === undefined || !isPackageSource(file.path)) continue;
    for (const { specifier, line } of importsOf(file)) {
      const to = siblingOf(specifier);
      if (to === undefined || to === from || ARROWS[from]?.includes(to)) continue;
      const message = `${from} may not import ${to}: ${allowedFrom(from)}`;
      findings.push({ path: file.path, line, rule: 'arrows', message });
    }
  }
  return findings;
}

function checkManifests(repo: Repo): readonly Finding[] {
  const findings: Finding[] = [];
  for (const manifest of repo.files) {
    const name = /^packages\/([^/]+)\/package\.json$/.exec(manifest.path)?.[1];
    if (name === undefined) continue;
    const report = (path: string, line: number, message: string) =>
      findings.push({ path, line, rule: 'dependencies', message });
    const declared = declaredIn(manifest);
    const sources = repo.files.filter(
      ({ path }) => packageOf(path) === name && isPackageSource(path),
    );
    for (const source of sources) {
      for (const { specifier, line } of importsOf(source)) {
        const needed = packageIn(specifier);
        if (needed === undefined || needed === SCOPE + name || declared.has(needed)) continue;
        report(source.path, line, `${needed} is not in the package.json of ${name}`);
      }
    }
    for (const dependency of declared) {
      const to = siblingOf(dependency);
      if (to !== undefined && !ARROWS[name]?.includes(to)) {
        report(manifest.path, 0, `${name} may not depend on ${to}: ${allowedFrom(name)}`);
      } else if (!isPlaceholder(sources) && !isUsed(dependency, sources)) {
        report(manifest.path, 0, `${dependency} is declared and not used: remove it`);
      }
    }
  }
  return [...findings, ...checkReferences(repo)];
}

/** `tsc -b` builds in the order of the references, so they are the dependencies again. */
function checkReferences(repo: Repo): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of repo.files) {
    const name = /^packages\/([^/]+)\/tsconfig\.build\.json$/.exec(path)?.[1];
    const manifest = repo.files.find((file) => file.path === `packages/${name}/package.json`);
    if (name === undefined || manifest === undefined) continue;
    const wanted = [...declaredIn(manifest)].flatMap((dependency) => siblingOf(dependency) ?? []);
    const listed = [...text.matchAll(/\.\.\/([^/"]+)\/tsconfig\.build\.json/g)].map(([, to]) => to);
    if (wanted.sort().join() === listed.sort().join()) continue;
    const message = `references should be the @mm-lab dependencies: ${wanted.join(', ') || 'none'}`;
    findings.push({ path, line: 0, rule: 'dependencies', message });
  }
  return findings;
}

function declaredIn(manifest: RepoFile): ReadonlySet<string> {
  const content: unknown = JSON.parse(manifest.text);
  const names: string[] = [];
  for (const field of ['dependencies', 'peerDependencies']) {
    const found = isRecord(content) ? content[field] : undefined;
    if (isRecord(found)) names.push(...Object.keys(found));
  }
  return new Set(names);
}

/** Imported, or named in a string: a package may be read as a file, as a browser bundle is. */
function isUsed(dependency: string, sources: readonly RepoFile[]): boolean {
  return sources.some(
    ({ text }) => text.includes(`'${dependency}'`) || text.includes(`'${dependency}/`),
  );
}

function isPlaceholder(sources: readonly RepoFile[]): boolean {
  return sources.every(({ text }) => text.trim() === 'export {};');
}

/** `zod` for `zod/v4`; nothing for relative imports and for Node's own modules. */
function packageIn(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  const [first, second] = specifier.split('/');
  return specifier.startsWith('@') ? `${first}/${second}` : first;
}

function siblingOf(specifier: string): string | undefined {
  return specifier.startsWith(SCOPE) ? specifier.slice(SCOPE.length).split('/')[0] : undefined;
}

function allowedFrom(name: string): string {
  const allowed = ARROWS[name];
  if (allowed === undefined) return 'it has no line in scripts/tidy/arrows.ts';
  return allowed.length === 0 ? 'it imports no sibling' : `only ${allowed.join(', ')}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
