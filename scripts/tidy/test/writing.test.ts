import { expect, test } from 'vitest';
import { checkBanned } from '../banned.ts';
import { checkDocuments } from '../documents.ts';
import { checkHot } from '../hot.ts';
import { checkModules } from '../modules.ts';
import type { Repo } from '../repo.ts';
import { checkSizes } from '../sizes.ts';
import { check } from './check.ts';

test('files, functions and lines have a size', () => {
  const wide = `// ${'x'.repeat(98)}`;
  const body = (lines: number) => '  step();\n'.repeat(lines);
  const findings = check(checkSizes, {
    'packages/cram/src/long.ts': 'step();\n'.repeat(401),
    'packages/cram/src/fits.ts': `${'step();\n'.repeat(400)}`,
    'packages/cram/src/functions.ts': [
      `function fits() {\n${body(68)}}`,
      `function tooLong() {\n${body(69)}}`,
      `const arrow = () => {\n${body(69)}};`,
      `class A {\n  method() {\n${body(69)}  }\n}`,
    ].join('\n'),
    'packages/cram/src/wide.ts': `${wide}\n// https://${'x'.repeat(100)}\nconst a = \`\n${wide}\n\`;`,
    'packages/cram/test/wide.test.ts': `${wide}\nconst a = \`\n${wide}\n\`;`,
    'packages/cram/test/group.test.ts': `describe('a', () => {\n${body(80)}});`,
    'docs/wide.md': wide,
    'packages/cram/data/wide.ts': wide,
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/cram/src/functions.ts:71 function-lines tooLong has 71 lines, at most 70
    packages/cram/src/functions.ts:142 function-lines arrow has 71 lines, at most 70
    packages/cram/src/functions.ts:214 function-lines method has 71 lines, at most 70
    packages/cram/src/long.ts:401 file-lines 401 lines, at most 400: one noun per file
    packages/cram/src/wide.ts:1 columns 101 columns, at most 100
    packages/cram/src/wide.ts:4 columns 101 columns, at most 100
    packages/cram/test/wide.test.ts:1 columns 101 columns, at most 100"
  `);
});

test('what is banned is reported with what to use instead', () => {
  const text = [
    'const a = Math.random();',
    'const b = Date.now() + performance.now() + new Date().getTime();',
    "console.log('a');",
    'const c = map.get(1)!;',
    'const d = column[pfn]! + rows[0]!.length;',
    'class A { readonly x!: number; }',
    'const e = value as unknown as string;',
    'enum Kind { A }',
    "import { inject } from 'tsyringe';",
    "import 'reflect-metadata';",
    "const said = 'Math.random() and Date.now()'; // new Date()",
  ].join('\n');
  const findings = check(checkBanned, {
    'packages/mm-core/src/mm/vmscan.ts': text,
    'packages/mm-core/src/base/di.ts': "import { inject } from 'tsyringe';",
    'packages/lab/src/runner.ts': 'console.log(performance.now());',
    'bench/access.mjs': 'console.log(performance.now());',
    'examples/first.ts': 'console.log(1);',
    'docs/notes.md': 'Math.random()',
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/mm-core/src/mm/vmscan.ts:1 no-random Math.random differs from run to run: use Prng
    packages/mm-core/src/mm/vmscan.ts:2 no-wall-clock the model has its own time: use Clock
    packages/mm-core/src/mm/vmscan.ts:2 no-wall-clock the model has its own time: use Clock
    packages/mm-core/src/mm/vmscan.ts:2 no-wall-clock the model has its own time: use Clock
    packages/mm-core/src/mm/vmscan.ts:3 no-console return it, or emit a tracepoint: only the lab prints
    packages/mm-core/src/mm/vmscan.ts:4 no-non-null \`!\` is for a bounded index only (\`column[pfn]!\`): test the value or assert it
    packages/mm-core/src/mm/vmscan.ts:6 no-non-null \`!\` is for a bounded index only (\`column[pfn]!\`): test the value or assert it
    packages/mm-core/src/mm/vmscan.ts:7 no-double-as a cast through another type hides an error: narrow it with a check
    packages/mm-core/src/mm/vmscan.ts:8 no-enum use plain constants or an \`as const\` object
    packages/mm-core/src/mm/vmscan.ts:9 one-di-file only packages/mm-core/src/base/di.ts imports tsyringe: use what it exports
    packages/mm-core/src/mm/vmscan.ts:10 one-di-file only packages/mm-core/src/base/di.ts imports reflect-metadata: use what it exports"
  `);
});

test('modules export by name, import by package, and do nothing when loaded', () => {
  const findings = check(checkModules, {
    'packages/cram/src/index.ts': [
      "export * from './cram.js';",
      "export * as cram from './cram.js';",
      "export { type Cram, createCram } from './cram.js';",
      'export const late = 1;',
    ].join('\n'),
    'packages/cram/src/cram.ts': [
      "import { a } from '@mm-lab/mm-core/dist/mm/vmscan.js';",
      "import { b } from '../../mm-core/src/mm/vmscan.js';",
      "import { c } from './c.js';",
      'register(a, b, c);',
      'export default class Cram {}',
    ].join('\n'),
    'packages/cram/src/as-default.ts': 'const a = 1;\nexport { a as default };',
    'packages/cram/src/snake_case.ts': 'export const a = 1;',
    'packages/lab/src/cli.ts': '// The command. @entry\n\nmain();',
    'packages/cram/test/cram.test.ts': "import { c } from '../src/c.js';\ntest('a', () => {});",
    'experiments/first.ts': 'export default 1;',
    'vitest.config.ts': 'export default {};',
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/cram/src/as-default.ts:2 no-default-export give it a name and export that: one name per idea
    packages/cram/src/cram.ts:1 no-deep-import import from @mm-lab/mm-core, never from inside it
    packages/cram/src/cram.ts:2 no-deep-import import from @mm-lab/mm-core, never from inside it
    packages/cram/src/cram.ts:4 no-side-effect no side effect on import: move it into a function, or mark the file @entry
    packages/cram/src/cram.ts:5 no-default-export give it a name and export that: one name per idea
    packages/cram/src/index.ts:1 no-export-star a name nobody listed is a promise nobody made: export by name
    packages/cram/src/index.ts:2 no-export-star a name nobody listed is a promise nobody made: export by name
    packages/cram/src/index.ts:4 index index.ts lists named exports and nothing else
    packages/cram/src/snake_case.ts:0 file-name file names are kebab-case"
  `);
});

test('a @hot file throws nothing, allocates nothing in a loop, and guards its tracepoints', () => {
  const body = [
    'export function run(tp, n) {',
    '  const seen = new Uint8Array(n);',
    '  for (let i = 0; i < n; i++) {',
    '    const pair = [i, { i }];',
    '    const late = () => new Map();',
    '    if (tp.enabled) tp.emit(i);',
    '    if (tp.enabled) { tp.emit(i); } else { tp.emit(-i); }',
    '    if (n > 1) tp.emit(i);',
    '  }',
    "  throw new Error('no');",
    '}',
  ].join('\n');
  const findings = check(checkHot, {
    'packages/mm-core/src/machine/access.ts': `/** The access loop. @hot */\n${body}`,
    'packages/mm-core/src/machine/syscalls.ts': `/** Calls what is marked @hotplug. */\n${body}`,
    'packages/mm-core/src/machine/stats.ts': `export const a = 1; // not the first: @hot\n${body}`,
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/mm-core/src/machine/access.ts:5 hot no allocation in a loop of a @hot file
    packages/mm-core/src/machine/access.ts:5 hot no allocation in a loop of a @hot file
    packages/mm-core/src/machine/access.ts:6 hot no allocation in a loop of a @hot file
    packages/mm-core/src/machine/access.ts:8 hot guard it: \`if (tp.enabled) tp.emit(…)\`; an emit nobody hears costs five accesses
    packages/mm-core/src/machine/access.ts:9 hot guard it: \`if (tp.enabled) tp.emit(…)\`; an emit nobody hears costs five accesses
    packages/mm-core/src/machine/access.ts:11 hot no throw in a @hot file: return a negative errno"
  `);
});

test('documents have titles, name files that exist, and name no machine', () => {
  const findings = check(checkDocuments, {
    'README.md': '# mm-lab\n\nSee /proc/vmstat and docs/home/index.md.',
    'docs/untitled.md': 'Text.\n\n# Late title',
    'docs/linux-map.md': [
      '# Map',
      '| free_folio | packages/cram/src/cram.ts |',
      '| migrate | packages/cram/src/gone.ts, packages/cram/src/cram.ts |',
    ].join('\n'),
    'packages/cram/src/cram.ts': "export const path = '/home/someone/mm-lab';",
    'pnpm-lock.yaml': 'resolution: {tarball: https://example.org/a.tgz}',
  });
  expect(findings).toMatchInlineSnapshot(`
    "docs/linux-map.md:3 linux-map packages/cram/src/gone.ts does not exist
    docs/untitled.md:1 title starts with a title: \`# What this is\`
    packages/cram/src/cram.ts:1 machine names the machine it was written on: use a relative path or a package name
    pnpm-lock.yaml:1 machine names the machine it was written on: use a relative path or a package name"
  `);
});

test('files are small outside data folders, and the repository is small', () => {
  const megabytes = (path: string, count: number) => {
    return { path, text: '', sizeBytes: count * 1_000_000 };
  };
  const repo: Repo = {
    files: [
      megabytes('packages/lab/data/trace.bin', 50),
      megabytes('packages/lab/trace.bin', 6),
      megabytes('docs/picture.png', 5),
    ],
  };
  expect(check(() => checkDocuments(repo), {})).toMatchInlineSnapshot(`
    ".:0 blob 61.0 MB in all, at most 60.0 MB
    packages/lab/trace.bin:0 blob 6.0 MB, at most 5.0 MB outside data/"
  `);
});
