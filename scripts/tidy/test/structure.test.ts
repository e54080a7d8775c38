import { expect, test } from 'vitest';
import { checkArrows } from '../arrows.ts';
import { checkCycles } from '../cycles.ts';
import { checkLayers } from '../layers.ts';
import { check } from './check.ts';

test('a layer imports itself and what is to its left', () => {
  const findings = check(checkLayers, {
    'packages/mm-core/src/base/clock.ts': "import type { Pte } from '../abi/pte.js';",
    'packages/mm-core/src/mem/zone.ts': [
      "import { assert } from '../base/assert.js';",
      "import { lru } from './lru.js';",
      "export { reclaim } from '../mm/vmscan.js';",
      "const late = () => import('../machine/builder.js');",
      "import { all } from '../index.js';",
      "import { self } from '@mm-lab/mm-core';",
    ].join('\n'),
    'packages/mm-core/src/index.ts': "export { reclaim } from './mm/vmscan.js';",
    'packages/cram/src/cram.ts': "import { reclaim } from './mm/vmscan.js';",
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/mm-core/src/base/clock.ts:1 layers base is below abi and may not import it (base < abi < hooks < mem < mm < sys < machine)
    packages/mm-core/src/mem/zone.ts:3 layers mem is below mm and may not import it (base < abi < hooks < mem < mm < sys < machine)
    packages/mm-core/src/mem/zone.ts:4 layers mem is below machine and may not import it (base < abi < hooks < mem < mm < sys < machine)
    packages/mm-core/src/mem/zone.ts:5 layers index.ts is for other packages: import the file
    packages/mm-core/src/mem/zone.ts:6 layers import the file, not the package it is in"
  `);
});

test('a package imports the packages its arrows point to', () => {
  const findings = check(checkArrows, {
    'packages/cram/package.json': manifest('@mm-lab/mm-core', '@mm-lab/node-private'),
    'packages/cram/src/cram.ts': [
      "import { machineOf } from '@mm-lab/mm-core';",
      "import { register } from '@mm-lab/node-private';",
      "import type { Run } from '@mm-lab/lab';",
    ].join('\n'),
    'packages/cram/test/cram.test.ts': "import { run } from '@mm-lab/lab';",
    'packages/novel/src/novel.ts': "import { machineOf } from '@mm-lab/mm-core';",
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/cram/src/cram.ts:3 arrows cram may not import lab: only mm-core, node-private
    packages/cram/src/cram.ts:3 dependencies @mm-lab/lab is not in the package.json of cram
    packages/novel/src/novel.ts:1 arrows novel may not import mm-core: it has no line in scripts/tidy/arrows.ts"
  `);
});

test('a package declares what it imports and no more', () => {
  const findings = check(checkArrows, {
    'packages/lab/package.json': manifest('@mm-lab/testkit', 'echarts', 'listr2', 'zod'),
    'packages/lab/tsconfig.build.json': '{ "references": [] }',
    'packages/lab/src/report.ts': [
      "import { readFileSync } from 'node:fs';",
      "import { parse } from 'yaml/next';",
      "import { z } from 'zod/v4';",
      "const bundle = import.meta.resolve('echarts/dist/echarts.min.js');",
    ].join('\n'),
    'packages/workloads/package.json': manifest('@mm-lab/mm-core', 'lz4-napi'),
    'packages/workloads/src/index.ts': 'export {};\n',
    'packages/workloads/tsconfig.build.json':
      '{ "references": [{ "path": "../mm-core/tsconfig.build.json" }] }',
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/lab/package.json:0 dependencies lab may not depend on testkit: only backend-cxl-compress, backend-device-coherent, backend-zone-device, cram, mm-core, node-private, workloads
    packages/lab/package.json:0 dependencies listr2 is declared and not used: remove it
    packages/lab/src/report.ts:2 dependencies yaml is not in the package.json of lab
    packages/lab/tsconfig.build.json:0 dependencies references should be the @mm-lab dependencies: testkit"
  `);
});

test('a file does not import itself through others, types aside', () => {
  const findings = check(checkCycles, {
    'packages/cram/src/a.ts': "import { b } from './b.js';",
    'packages/cram/src/b.ts': "export { c } from './deep/c.js';",
    'packages/cram/src/deep/c.ts': "import { a } from '../a.js';",
    'packages/cram/src/x.ts': "import { y } from './y.js';",
    'packages/cram/src/y.ts': "import type { X } from './x.js';",
    'packages/cram/src/self.ts': "import { self } from './self.js';",
  });
  expect(findings).toMatchInlineSnapshot(`
    "packages/cram/src/deep/c.ts:1 cycles import cycle: a.ts -> b.ts -> deep/c.ts -> a.ts
    packages/cram/src/self.ts:1 cycles import cycle: self.ts -> self.ts"
  `);
});

function manifest(...dependencies: readonly string[]): string {
  const versions = Object.fromEntries(dependencies.map((name) => [name, '1.0.0']));
  return JSON.stringify({ dependencies: versions });
}
