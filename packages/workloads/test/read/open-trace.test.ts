import { copyFileSync } from 'node:fs';
import { detectFormat, openTrace, shippedLackey, shippedTrace } from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { tempFile, tempPath } from '../helpers/temp-file.js';
import { failureOf } from '../helpers/trace-failure.js';

const MATMUL = shippedTrace('matmul-c');

describe('openTrace', () => {
  test('takes the time quantum from the description beside a page trace', async () => {
    const trace = await openTrace(MATMUL.trace, { limitRows: 10 });
    expect([trace.name, trace.timeQuantum]).toEqual(['matmul-c', 1593]);
  });

  test('opens the trace that a description names', async () => {
    const trace = await openTrace(MATMUL.description, { limitRows: 10 });
    expect([trace.name, trace.timeQuantum]).toEqual(['matmul-c', 1593]);
  });

  test('lets the caller choose the time quantum', async () => {
    const trace = await openTrace(MATMUL.trace, { limitRows: 10, timeQuantum: 7 });
    expect(trace.timeQuantum).toBe(7);
  });

  test('uses a quantum of 1 without a usable description', async () => {
    copyFileSync(MATMUL.trace, tempPath('alone.csv.gz'));
    tempFile('alone.json', '{"name":"something else"}');
    const trace = await openTrace(tempPath('alone.csv.gz'), { limitRows: 10 });
    expect(trace.timeQuantum).toBe(1);
  });

  test('opens lackey output', async () => {
    expect((await openTrace(shippedLackey())).name).toBe('lackey-sort');
  });

  test('says what a file is that it cannot open', async () => {
    expect(
      [
        await failureOf(() => openTrace(MATMUL.core)),
        await failureOf(() => openTrace(MATMUL.sizes)),
        await failureOf(() => openTrace(tempFile('some.txt', 'hello'))),
      ].map((failure) => failure.replace(/ \(give.*/, '')),
    ).toEqual([
      'TRACE_WRONG_FORMAT matmul-c.core.gz: this is an ELF file',
      'TRACE_WRONG_FORMAT matmul-c.sizes.csv.gz: this is a table of compressed sizes (snap,vpn,…)',
      'TRACE_WRONG_FORMAT some.txt: no known format',
    ]);
  });
});

describe('detectFormat', () => {
  test('knows every shipped file by its contents', async () => {
    const files = [MATMUL.trace, MATMUL.events, MATMUL.description, MATMUL.core, MATMUL.sizes];
    expect(await Promise.all([...files, shippedLackey()].map(detectFormat))).toEqual([
      'page-trace',
      'events',
      'description',
      'core',
      'sizes',
      'lackey',
    ]);
  });
});
