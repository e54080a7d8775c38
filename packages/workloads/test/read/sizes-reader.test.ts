import { readSizes, shippedTrace } from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { readDamaged } from '../helpers/damage.js';
import { tempFile } from '../helpers/temp-file.js';
import { failureOf } from '../helpers/trace-failure.js';

const HEADER =
  'snap,vpn,kind,perm,fill,lz4,lzo,lzorle,zstd1,zstd3,deflate,lz4_2k,lz4_1k,zlines,bdi\n';
const ROW = '0,16435,D,rw-p,-,405,402,395,307,299,284,427,456,43,627\n';
const GOOD = `${HEADER}${ROW}1,7,A,rw-p,Z,24,31,30,20,20,18,50,100,64,64\n`;

const read = (text: string) => readSizes(tempFile('small.sizes.csv', text));

describe('readSizes', () => {
  test('decodes rows into shared columns', async () => {
    const { sizes, snap, vpn, kind, fill, ...rest } = await read(GOOD);
    expect(rest).toEqual({ name: 'small', rows: 2, snapshots: 2 });
    expect([snap, vpn, kind, fill].map((column) => [...column])).toEqual([
      [0, 1],
      [16435, 7],
      [68, 65],
      [45, 90],
    ]);
    expect([[...sizes.lz4], [...sizes.lz4_1k], [...sizes.bdi]]).toEqual([
      [405, 24],
      [456, 100],
      [627, 64],
    ]);
    expect(sizes.lz4.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  test('reads a shipped table', async () => {
    const table = await readSizes(shippedTrace('redis-kv').sizes);
    expect([table.rows, table.snapshots]).toEqual([24275, 4]);
  });

  test('says in one line what is wrong', async () => {
    const failures = {
      header: await failureOf(() => read('snap,vpn\n0,1\n')),
      'no row': await failureOf(() => read(HEADER)),
      columns: await failureOf(() => read(`${HEADER}0,1,A,rw-p\n`)),
      kind: await failureOf(() => read(GOOD.replace(',D,', ',X,'))),
      fill: await failureOf(() => read(GOOD.replace(',-,', ',,'))),
      size: await failureOf(() => read(GOOD.replace(',405,', ',70000,'))),
      number: await failureOf(() => read(GOOD.replace(',405,', ',4e2,'))),
      vpn: await failureOf(() => read(GOOD.replace(',16435,', `,${2 ** 36},`))),
      order: await failureOf(() => read(`${GOOD}${ROW}`)),
    };
    expect(failures).toMatchInlineSnapshot(`
      {
        "columns": "TRACE_CORRUPT small.sizes.csv:2: another number of columns than the header (the file breaks its format here: copy it again, or fix what wrote it)",
        "fill": "TRACE_CORRUPT small.sizes.csv:2: fill is unknown: "" (the file breaks its format here: copy it again, or fix what wrote it)",
        "header": "TRACE_HEADER_MISSING small.sizes.csv:1: the header line is missing (the first line must be snap,vpn,kind,perm,fill,lz4,lzo,lzorle,zstd1,zstd3,deflate,lz4_2k,lz4_1k,zlines,bdi)",
        "kind": "TRACE_CORRUPT small.sizes.csv:2: kind is unknown: "X" (the file breaks its format here: copy it again, or fix what wrote it)",
        "no row": "TRACE_EMPTY small.sizes.csv: the table has no row (record or copy the file again)",
        "number": "TRACE_CORRUPT small.sizes.csv:2: lz4 is not a whole number: "4e2" (the file breaks its format here: copy it again, or fix what wrote it)",
        "order": "TRACE_CORRUPT small.sizes.csv:4: snap decreases from 1: "0" (the file breaks its format here: copy it again, or fix what wrote it)",
        "size": "TRACE_OVERSIZED_NUMBER small.sizes.csv:2: lz4 is above 65535: "70000" (the number is beyond what the format allows: fix what wrote it)",
        "vpn": "TRACE_OVERSIZED_NUMBER small.sizes.csv:2: vpn is above 68719476735: "68719476736" (the number is beyond what the format allows: fix what wrote it)",
      }
    `);
  });

  test('either parses any damaged file or refuses it with a TraceError', async () => {
    await readDamaged(GOOD, 'fuzz.csv', readSizes);
  });
});
