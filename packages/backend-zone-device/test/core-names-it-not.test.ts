import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const CORE = fileURLToPath(new URL('../../mm-core/src/', import.meta.url));
const NAMES =
  /(zone|private|coherent).?device|device.?(private|coherent)|dev.?pagemap|migrate.?vma|p2pdma/i;

/**
 * What the core may name as data: the kernel function that a site stands for, and the predicates
 * that the kernel asks at a site, which the table of sites lists for the docs.
 */
const KERNEL_NAMES = [
  'memory-failure.memory_failure_dev_pagemap',
  'folio_is_zone_device',
  'folio_is_device_private',
  'folio_is_device_coherent',
  'zone_is_zone_device',
];

test('no identifier, import or string of mm-core names ZONE_DEVICE', () => {
  const found: string[] = [];
  for (const file of readdirSync(CORE, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const code = withoutComments(readFileSync(join(CORE, file), 'utf8'));
    for (const line of code.split('\n'))
      if (NAMES.test(line)) found.push(`${file}: ${line.trim()}`);
  }
  expect(found).toEqual([]);
});

function withoutComments(source: string): string {
  let code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  for (const name of KERNEL_NAMES) code = code.replaceAll(`'${name}'`, "''");
  return code;
}
