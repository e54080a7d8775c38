import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const CORE = fileURLToPath(new URL('../../mm-core/src/', import.meta.url));
const NAMES = [
  /zone.?device/i,
  /device.?(private|coherent|generic)/i,
  /(private|coherent).?device/i,
  /dev.?pagemap|pgmap/i,
  /mem(re|un)map/i,
  /migrate.?(vma|device|pfn)/i,
  /fs.?dax|is.?dax/i,
  /p2pdma/i,
  /test.?hmm|dmirror/i,
];

test('no identifier, import or string of mm-core names ZONE_DEVICE', () => {
  const found: string[] = [];
  for (const file of readdirSync(CORE, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const code = withoutComments(readFileSync(join(CORE, file), 'utf8'));
    for (const line of code.split('\n')) {
      if (namesIt(line)) found.push(`${file}: ${line.trim()}`);
    }
  }
  expect(found).toEqual([]);
});

test('the patterns find each of the names', () => {
  for (const name of [
    ...['ZONE_DEVICE', 'isZoneDevice', 'folio_is_device_private', 'MEMORY_DEVICE_FS_DAX'],
    ...['dev_pagemap', 'DevPagemap', 'memremapPages', 'memunmap_pages', 'migrateVma'],
    ...['migrate_device_range', 'MIGRATE_PFN_VALID', 'PCI_P2PDMA', 'vma_is_dax', 'testHmm'],
  ]) {
    expect(namesIt(name), name).toBe(true);
  }
  for (const name of ['memoryDevice', 'privateNode', 'deviceExclusive', 'migratePages', 'mremap']) {
    expect(namesIt(name), name).toBe(false);
  }
});

function namesIt(code: string): boolean {
  return NAMES.some((name) => name.test(code));
}

/** Comments say which kernel function a line follows; the table of sites says it as data. */
function withoutComments(source: string): string {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  return code.replaceAll("'mm/migrate_device.c:migrate_device_finalize'", "''");
}
