import { writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { openTrace, readPageTrace, shippedTrace } from '@mm-lab/workloads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tempFile, tempPath } from '../helpers/temp-file.js';
import { failureOf, outcomeOf } from '../helpers/trace-failure.js';
import { rowsOf } from '../helpers/trace-rows.js';

const GOOD = 't,vpn,op,n\n0,16410,I,46\n0,33550336,W,108366\n64,16435,R,5200\n64,16435,w,1\n';

function read(text: string | Uint8Array, options = {}) {
  return readPageTrace(tempFile('small.trace.csv', text), options);
}

describe('readPageTrace', () => {
  test('decodes rows into columns and leaves out instruction fetches by default', async () => {
    const trace = await read(GOOD);
    expect(rowsOf(trace)).toEqual(['0,33550336,W,108366', '64,16435,R,5200', '64,16435,w,1']);
    expect({ ...trace, t: [...trace.t], ref: [...trace.ref] }).toMatchObject({
      name: 'small',
      rows: 3,
      accesses: 113567,
      pages: 2,
      regions: Float64Array.of(65528, 32),
      ref: [1, (512 + 51) * 2, (512 + 51) * 2 + 1],
      n: Int32Array.of(108366, 5200, 1),
      op: Uint8Array.of(2, 1, 4),
      t: [0, 64, 64],
      timeQuantum: 1,
    });
  });

  test('keeps instruction fetches with ops all', async () => {
    expect(rowsOf(await read(GOOD, { ops: 'all' }))[0]).toBe('0,16410,I,46');
  });

  test('gives the same trace plain, with gzip and with zstd, whatever its name', async () => {
    const plain = rowsOf(await read(GOOD));
    for (const bytes of [gzipSync(GOOD), zstdCompressSync(GOOD)]) {
      const trace = await readPageTrace(tempFile('mislabelled.txt', bytes));
      expect(rowsOf(trace)).toEqual(plain);
    }
  });

  test('reads every frame of a zstd file, and every member of a gzip file', async () => {
    const rest = '64,16435,R,5200\n64,16435,w,1\n';
    const start = GOOD.slice(0, -rest.length);
    for (const pack of [gzipSync, zstdCompressSync]) {
      const bytes = Buffer.concat([pack(start), pack(rest), pack('')]);
      expect(rowsOf(await read(bytes))).toEqual(rowsOf(await read(GOOD)));
    }
  });

  test('takes line ends of either kind and a last line without one', async () => {
    const text = GOOD.replaceAll('\n', '\r\n').trimEnd();
    expect(rowsOf(await read(text))).toEqual(rowsOf(await read(GOOD)));
  });

  test('stops at limitRows without reading what follows', async () => {
    const trace = await read(`${GOOD}broken`, { limitRows: 2 });
    expect(rowsOf(trace)).toEqual(['0,33550336,W,108366', '64,16435,R,5200']);
  });

  test('keeps its columns in shared memory, and a clone shares them', async () => {
    const trace = await read(GOOD);
    for (const column of [trace.regions, trace.ref, trace.n, trace.op, trace.t]) {
      expect(column.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
    const clone = structuredClone(trace);
    clone.n[0] = 7;
    expect(trace.n[0]).toBe(7);
  });

  test('reads lines across pieces of the file', async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => `${i},${i % 977},R,${i + 1}`);
    const trace = await read(`t,vpn,op,n\n${rows.join('\n')}\n`);
    expect(rowsOf(trace)).toEqual(rows);
  });

  test('reports its progress up to the whole file', async () => {
    const reports: unknown[] = [];
    const { description } = shippedTrace('matmul-c');
    await openTrace(description, { onProgress: (progress) => reports.push(progress) });
    expect(reports.length).toBeGreaterThan(5);
    expect(reports.at(-1)).toEqual({ bytesRead: 1480060, bytesTotal: 1480060, rows: 259948 });
  });

  test('says in one line what is wrong with a file', async () => {
    const failures: Record<string, string> = {};
    for (const [name, contents] of Object.entries(badFiles())) {
      failures[name] = await failureOf(() => read(contents));
    }
    failures['no such file'] = await failureOf(() => readPageTrace('missing.csv'));
    failures['a folder'] = await failureOf(() => readPageTrace('packages'));
    expect(failures).toMatchInlineSnapshot(`
      {
        "ELF file": "TRACE_WRONG_FORMAT small.trace.csv: this is an ELF file, not a page trace (t,vpn,op,n) (give a file of the format asked for)",
        "a folder": "TRACE_UNREADABLE packages: not a regular file (give a regular file that this user may read)",
        "a fraction": "TRACE_CORRUPT small.trace.csv:2: t is not a whole number: "0.5" (the file breaks its format here: copy it again, or fix what wrote it)",
        "blank line": "TRACE_CORRUPT small.trace.csv:2: 1 columns instead of 4 in "" (the file breaks its format here: copy it again, or fix what wrote it)",
        "bzip2": "TRACE_UNSUPPORTED small.trace.csv: the file is packed with bzip2 (unpack it, or pack it with gzip or zstd)",
        "empty file": "TRACE_EMPTY small.trace.csv: the file is empty (record or copy the file again)",
        "empty gzip": "TRACE_EMPTY small.trace.csv: the unpacked file is empty (record or copy the file again)",
        "events file": "TRACE_WRONG_FORMAT small.trace.csv: this is address-space events (t,event,addr,…), not a page trace (t,vpn,op,n) (give a file of the format asked for)",
        "five columns": "TRACE_CORRUPT small.trace.csv:2: 5 columns instead of 4 in "0,1,R,1,1" (the file breaks its format here: copy it again, or fix what wrote it)",
        "gzip cut": "TRACE_TRUNCATED small.trace.csv: the packed data end early (the file stops early: copy it again and compare its size with the original)",
        "gzip damaged": "TRACE_CORRUPT small.trace.csv: the packed data are damaged (Z_DATA_ERROR) (the file breaks its format here: copy it again, or fix what wrote it)",
        "long line": "TRACE_CORRUPT small.trace.csv: a line is longer than 65536 bytes (the file breaks its format here: copy it again, or fix what wrote it)",
        "n of 0": "TRACE_CORRUPT small.trace.csv:2: n is 0: a row stands for at least one access (the file breaks its format here: copy it again, or fix what wrote it)",
        "n too large": "TRACE_OVERSIZED_NUMBER small.trace.csv:2: n is not below 2^31 (the number is beyond what the format allows: fix what wrote it)",
        "negative n": "TRACE_CORRUPT small.trace.csv:2: n is negative: "-3" (the file breaks its format here: copy it again, or fix what wrote it)",
        "no header": "TRACE_HEADER_MISSING small.trace.csv:1: the header line is missing (the first line must be t,vpn,op,n)",
        "no rows": "TRACE_EMPTY small.trace.csv: the trace has no row of the kinds asked for (record the program again, or ask for ops: 'all')",
        "no such file": "TRACE_NOT_FOUND missing.csv: no such file (check the path; it is relative to the current directory)",
        "not a number": "TRACE_CORRUPT small.trace.csv:2: vpn is not a whole number: "0x10" (the file breaks its format here: copy it again, or fix what wrote it)",
        "only fetches": "TRACE_EMPTY small.trace.csv: the trace has no row of the kinds asked for (record the program again, or ask for ops: 'all')",
        "t decreases": "TRACE_CORRUPT small.trace.csv:3: t decreases from 5 to 4 (the file breaks its format here: copy it again, or fix what wrote it)",
        "t too large": "TRACE_OVERSIZED_NUMBER small.trace.csv:2: t is not below 2^53 (the number is beyond what the format allows: fix what wrote it)",
        "three columns": "TRACE_CORRUPT small.trace.csv:2: 3 columns instead of 4 in "0,1,R" (the file breaks its format here: copy it again, or fix what wrote it)",
        "unknown op": "TRACE_CORRUPT small.trace.csv:2: unknown op "X" (the file breaks its format here: copy it again, or fix what wrote it)",
        "vpn too large": "TRACE_OVERSIZED_NUMBER small.trace.csv:2: vpn is not below 2^36 (the number is beyond what the format allows: fix what wrote it)",
        "zstd cut": "TRACE_TRUNCATED small.trace.csv: the packed data end early (the file stops early: copy it again and compare its size with the original)",
        "zstd with a tail": "TRACE_CORRUPT small.trace.csv: the packed data are damaged (ZSTD_error_prefix_unknown) (the file breaks its format here: copy it again, or fix what wrote it)",
      }
    `);
  });

  test('names the limit that is exceeded', async () => {
    const limits = (changes: object) => failureOf(() => read(GOOD, { limits: changes }));
    expect([
      await limits({ rowsMax: 2 }),
      await limits({ pagesMax: 1 }),
      await limits({ rowsMax: 0 }),
      await failureOf(() => read(GOOD, { limitRows: 0.5 })),
    ]).toMatchInlineSnapshot(`
      [
        "TRACE_OVER_LIMIT small.trace.csv: the trace has more than 2 rows (limit rowsMax) (raise the named limit, if the file is meant to be so large)",
        "TRACE_OVER_LIMIT small.trace.csv: the trace has more than 1 pages (limit pagesMax) (raise the named limit, if the file is meant to be so large)",
        "TRACE_BAD_OPTION limit rowsMax is 0 (see the docstring of the option for its range)",
        "TRACE_BAD_OPTION limitRows is 0.5 (see the docstring of the option for its range)",
      ]
    `);
    expect(await outcomeOf(() => read(GOOD, { limits: { rowsMax: 3, pagesMax: 2 } }))).toBe(
      'parsed',
    );
  });

  test('either parses any damaged file or refuses it with a TraceError', async () => {
    const good = [Buffer.from(GOOD), gzipSync(GOOD), zstdCompressSync(GOOD)];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...good),
        fc.array(fc.record({ at: fc.nat(200), byte: fc.nat(255) }), { maxLength: 4 }),
        fc.nat(220),
        async (bytes, edits, length) => {
          const damaged = Buffer.from(bytes);
          for (const { at, byte } of edits) damaged[at % damaged.length] = byte;
          const path = tempPath('fuzz.csv');
          writeFileSync(path, damaged.subarray(0, length));
          await outcomeOf(() => openTrace(path, { ops: 'all' }));
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** Files that cannot be a page trace, by what is wrong with them. */
function badFiles(): Readonly<Record<string, string | Uint8Array>> {
  const gzip = gzipSync(GOOD);
  const zstd = zstdCompressSync(GOOD);
  const damaged = Buffer.from(gzip);
  damaged[gzip.length - 6]! ^= 0xff;
  const header = 't,vpn,op,n\n';
  return {
    'empty file': '',
    'empty gzip': gzipSync(''),
    'no header': '0,1,R,1\n',
    'no rows': header,
    'only fetches': `${header}0,1,I,1\n`,
    'gzip cut': gzip.subarray(0, gzip.length - 9),
    'gzip damaged': damaged,
    'zstd cut': zstd.subarray(0, zstd.length - 9),
    'zstd with a tail': Buffer.concat([zstd, Buffer.from('tail')]),
    bzip2: Buffer.from('BZh91AY&SY'),
    'three columns': `${header}0,1,R\n`,
    'five columns': `${header}0,1,R,1,1\n`,
    'blank line': `${header}\n0,1,R,1\n`,
    'not a number': `${header}0,0x10,R,1\n`,
    'a fraction': `${header}0.5,1,R,1\n`,
    'negative n': `${header}0,1,R,-3\n`,
    'n of 0': `${header}0,1,R,0\n`,
    'unknown op': `${header}0,1,X,1\n`,
    't decreases': `${header}5,1,R,1\n4,1,R,1\n`,
    'vpn too large': `${header}0,${2 ** 36},R,1\n`,
    'n too large': `${header}0,1,R,${2 ** 31}\n`,
    't too large': `${header}99999999999999999999,1,R,1\n`,
    'ELF file': '\x7fELF\x02\x01\x01',
    'events file': 't,event,addr,len,prot,kind,offset,name\n',
    'long line': `${header}${'1'.repeat(70_000)}`,
  };
}
