// Builds and tests every package that does not depend on one, where that one does not exist:
// `node scripts/without-package.mjs NAME [--build-only]`, NAME a folder of packages/. Exits with 1
// if one does not build or a test fails. A test that needs an absent package, or files of the
// repository outside packages/, is left out and named.

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './lib/run.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'build-only': { type: 'boolean', default: false } },
});
const [removed] = positionals;
if (removed === undefined || !existsSync(join(root, 'packages', removed, 'package.json'))) {
  console.error('without-package: name a folder of packages/');
  process.exit(2);
}
/** A helper that empties its folder when the first file that uses it ends. */
const TEMPORARY = '/temp-file.js';

const manifests = readdirSync(join(root, 'packages')).map((folder) => {
  const text = readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8');
  const { name, dependencies = {} } = JSON.parse(text);
  return { folder, name, needs: Object.keys(dependencies) };
});
const absent = absentNames();
const kept = manifests.filter(({ name }) => !absent.has(name));

const target = mkdtempSync(join(tmpdir(), 'without-package-'));
try {
  copy();
  build();
  if (!values['build-only']) test();
} finally {
  rmSync(target, { recursive: true });
}

/** The package and whatever depends on it. */
function absentNames() {
  const names = new Set(manifests.filter(({ folder }) => folder === removed).map((m) => m.name));
  for (let size = 0; size !== names.size; ) {
    size = names.size;
    for (const { name, needs } of manifests) {
      if (needs.some((needed) => names.has(needed))) names.add(name);
    }
  }
  return names;
}

/** The kept packages and the tools. */
function copy() {
  for (const file of ['package.json', 'tsconfig.base.json', 'tsconfig.json', 'vitest.config.ts']) {
    cpSync(join(root, file), join(target, file));
  }
  mkdirSync(join(target, 'node_modules'));
  for (const entry of readdirSync(join(root, 'node_modules'))) {
    if (entry === '@mm-lab' || entry === '.cache') continue;
    symlinkSync(join(root, 'node_modules', entry), join(target, 'node_modules', entry));
  }
  mkdirSync(join(target, 'node_modules', '@mm-lab'));
  for (const { folder, name } of kept) {
    symlinkSync(join(target, 'packages', folder), join(target, 'node_modules', name));
    cpSync(join(root, 'packages', folder), join(target, 'packages', folder), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('/dist'),
    });
  }
}

function build() {
  const projects = kept.map(({ folder }) => join('packages', folder, 'tsconfig.build.json'));
  tool('tsc', ['-b', ...projects]);
  console.log(`built without ${removed}: ${kept.map(({ name }) => name).join(', ')}`);
}

function test() {
  const files = kept.flatMap(({ folder }) => testsOf(folder));
  const wanted = files.filter((file) => isSelfContained(file));
  for (const file of files) {
    if (!wanted.includes(file)) console.log(`left out: ${relative(target, file)}`);
  }
  const alone = wanted.filter((file) => readFileSync(file, 'utf8').includes(TEMPORARY));
  run(
    wanted.filter((file) => !alone.includes(file)),
    ['--no-isolate'],
  );
  run(alone, []);
}

function run(files, options) {
  if (files.length === 0) return;
  try {
    const paths = files.map((file) => relative(target, file));
    tool('vitest', ['run', '--reporter=dot', ...options, ...paths]);
  } catch {
    process.exitCode = 1;
  }
}

function testsOf(folder) {
  const tests = join(target, 'packages', folder, 'test');
  return readdirSync(tests, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(tests, path));
}

/** Does a test need neither an absent package nor anything outside packages/, helpers included? */
function isSelfContained(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return true;
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  const paths = [...text.matchAll(/'(\.\.?\/[^']*|@mm-lab\/[^']*)'/g)].map((match) => match[1]);
  return paths.every((path) => {
    if (path.startsWith('@')) return !absent.has(path.split('/').slice(0, 2).join('/'));
    const at = join(dirname(file), path.replace(/\.js$/, '.ts'));
    // A test that looks at the folder of all packages judges all of them together.
    if (/^(\.\.|$)/.test(relative(join(target, 'packages'), at))) return false;
    return !at.endsWith('.ts') || isSelfContained(at, seen);
  });
}

function tool(name, args) {
  const bin = join(target, 'node_modules', '.bin');
  // The pinned Node comes first, as in `npm test`.
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };
  execFileSync(join(bin, name), args, { cwd: target, stdio: 'inherit', env });
}
