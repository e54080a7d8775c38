import { readFileSync } from 'node:fs';
import { readPageTrace, writePageTrace } from '@mm-lab/workloads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TraceBuilder } from '../../src/trace/trace-builder.js';
import { tempPath } from '../helpers/temp-file.js';
import { failureOf } from '../helpers/trace-failure.js';

const ROW = fc.record({
  delta: fc.nat(1_000_000),
  vpn: fc.maxSafeNat().map((n) => n % 2 ** 36),
  kind: fc.nat(4),
  n: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
});

describe('writePageTrace', () => {
  test('writes what the reader reads back, packed or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(ROW, { minLength: 1, maxLength: 100 }),
        fc.constantFrom('none', 'gzip', 'zstd'),
        async (rows, compression) => {
          const builder = new TraceBuilder({ name: 'round', timeQuantum: 1 });
          let t = 0;
          for (const { delta, vpn, kind, n } of rows) {
            t += delta;
            builder.add(t, vpn, kind, n);
          }
          const trace = builder.build();
          const path = tempPath('round.csv');
          await writePageTrace(trace, path, { compression });
          expect(await readPageTrace(path, { ops: 'all' })).toEqual(trace);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('packs by the ending of the file name', async () => {
    const builder = new TraceBuilder({ name: 'one', timeQuantum: 1 });
    builder.add(0, 5, 1, 2);
    const trace = builder.build();
    const starts: string[] = [];
    for (const name of ['one.csv', 'one.csv.gz', 'one.csv.zst']) {
      await writePageTrace(trace, tempPath(name));
      starts.push(readFileSync(tempPath(name)).subarray(0, 4).toString('hex'));
    }
    expect(starts).toEqual(['742c7670', '1f8b0800', '28b52ffd']);
  });

  test('says when the file cannot be written', async () => {
    const builder = new TraceBuilder({ name: 'one', timeQuantum: 1 });
    builder.add(0, 5, 1, 2);
    const failure = await failureOf(() => writePageTrace(builder.build(), tempPath('no/one.csv')));
    expect(failure).toContain('TRACE_UNREADABLE one.csv: cannot be written (ENOENT');
  });
});
