import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSites } from '../../src/results/read-run.js';
import { RunFolder, replaceFile } from '../../src/results/run-folder.js';

let parent = '';
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'mm-lab-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

test('nothing has the final name before the run is complete', () => {
  const folder = RunFolder.create({ kind: 'numbered', parent, stem: 'bear-1' });
  folder.write('results.json', '{}');
  expect(existsSync(join(parent, 'bear-1-1'))).toBe(false);
  const path = folder.commit();
  expect([path, readFileSync(join(path, 'results.json'), 'utf8')]).toEqual([
    join(parent, 'bear-1-1'),
    '{}',
  ]);
});

test('runs are numbered one after the other', () => {
  for (const number of [1, 2, 3]) {
    const folder = RunFolder.create({ kind: 'numbered', parent, stem: 'bear-1' });
    expect(folder.commit()).toBe(join(parent, `bear-1-${number}`));
  }
});

test('what is discarded leaves nothing behind', () => {
  const folder = RunFolder.create({ kind: 'given', path: join(parent, 'a', 'b', 'out') });
  folder.write('results.json', '{}');
  folder.discard();
  expect(readdirSync(parent)).toEqual([]);
});

test('a folder in use is refused before any work is done, an empty one is taken', () => {
  const path = join(parent, 'out');
  mkdirSync(path);
  RunFolder.create({ kind: 'given', path }).commit();
  writeFileSync(join(path, 'mine.txt'), 'mine');
  expect(() => RunFolder.create({ kind: 'given', path })).toThrow(
    expect.objectContaining({ code: 'OUTPUT_EXISTS' }),
  );
  expect(readdirSync(parent)).toEqual(['out']);
});

test('a file where a folder should be is one clear line', () => {
  const file = join(parent, 'file');
  writeFileSync(file, '');
  const create = () => RunFolder.create({ kind: 'given', path: join(file, 'out') });
  expect(create).toThrow(expect.objectContaining({ code: 'OUTPUT_EXISTS' }));
});

test.runIf(existsSync('/dev/full'))('a full disk is one clear line', () => {
  const folder = RunFolder.create({ kind: 'given', path: join(parent, 'out') });
  expect(() => folder.write('../../../../../../dev/full', 'x')).toThrow(
    expect.objectContaining({ code: 'OUTPUT_DISK_FULL' }),
  );
});

test('a replaced file is either the old one or the new one', () => {
  const path = join(parent, 'report.html');
  replaceFile(path, 'old');
  replaceFile(path, 'new');
  expect([readdirSync(parent), readFileSync(path, 'utf8')]).toEqual([['report.html'], 'new']);
});

test('a run without a trace has no sites, and says so; what is no run says that', () => {
  writeFileSync(join(parent, 'results.json'), '{}');
  expect(() => readSites(parent)).toThrow(/plays no trace, so no sites were counted/);
  expect(() => readSites(join(parent, 'x'))).toThrow(/there is no .*sites\.json/);
});
