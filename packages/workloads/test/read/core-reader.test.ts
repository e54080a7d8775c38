import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { coreBytes, coreIndexOf, readCore, shippedTrace } from '@mm-lab/workloads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elfCore, pageOf } from '../helpers/elf-core.js';
import { tempFile, tempPath } from '../helpers/temp-file.js';
import { failureOf, outcomeOf } from '../helpers/trace-failure.js';

const TWO_PAGES = Buffer.concat([pageOf(1), pageOf(2)]);
const GOOD = elfCore([
  { vpn: 900, bytes: TWO_PAGES },
  { vpn: 5, bytes: pageOf(3) },
  { vpn: 100, bytes: new Uint8Array(0) },
]);

const read = (bytes: Uint8Array, options = {}) => readCore(tempFile('small.core', bytes), options);

/** GOOD with some 16-bit words replaced, by offset. */
function changed(words: Readonly<Record<number, number>>): Buffer {
  const bytes = Buffer.from(GOOD);
  for (const [at, word] of Object.entries(words)) bytes.writeUInt16LE(word, Number(at));
  return bytes;
}

describe('readCore', () => {
  test('maps page numbers to bytes and leaves out segments without contents', async () => {
    for (const bytes of [GOOD, gzipSync(GOOD)]) {
      const core = await read(bytes);
      expect([...core.vpns]).toEqual([5, 900, 901]);
      expect([0, 1, 2].map((i) => coreBytes(core, i)[4095])).toEqual([3, 1, 2]);
      expect([5, 900, 901, 4, 100, 902].map((vpn) => coreIndexOf(core, vpn))).toEqual([
        0, 1, 2, -1, -1, -1,
      ]);
      expect(core.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
  });

  test("reads a recorded sample and gdb's gcore", async () => {
    const sample = await readCore(shippedTrace('redis-kv').core);
    const data = new URL('../../data/gcore-sqlite.core.gz', import.meta.url);
    const gcore = await readCore(fileURLToPath(data));
    expect([sample.pages, gcore.pages]).toEqual([672, 527]);
  });

  test('says in one line what is wrong', async () => {
    const failures: Record<string, string> = {
      'a CSV file': await failureOf(() => read(Buffer.from('t,vpn,op,n\n0,1,R,1\n'))),
      text: await failureOf(() => read(Buffer.from('hello'))),
      'only the magic': await failureOf(() => read(GOOD.subarray(0, 4))),
      'cut in the headers': await failureOf(() => read(GOOD.subarray(0, 100))),
      'cut in a segment': await failureOf(() => read(GOOD.subarray(0, GOOD.length - 1))),
      'cut gzip': await failureOf(() => read(gzipSync(GOOD).subarray(0, -20))),
      'not a core': await failureOf(() => read(changed({ 16: 2 }))),
      '32-bit': await failureOf(() => read(changed({ 4: 0x0101 }))),
      'no segments': await failureOf(() => read(changed({ 56: 0 }))),
      'too many segments': await failureOf(() => read(changed({ 56: 0xffff }))),
      'headers in the header': await failureOf(() => read(changed({ 32: 8 }))),
      'other entry size': await failureOf(() => read(changed({ 54: 32 }))),
      'half a page': await failureOf(() => read(changed({ [64 + 32]: 100 }))),
      'too large': await failureOf(() => read(changed({ [64 + 38]: 0xffff }))),
      'overlapping segments': await failureOf(() => read(changed({ [120 + 8]: 0x1000 }))),
      'a page twice': await failureOf(() =>
        read(
          elfCore([
            { vpn: 7, bytes: pageOf(1) },
            { vpn: 7, bytes: pageOf(1) },
          ]),
        ),
      ),
      'no contents': await failureOf(() => read(elfCore([{ vpn: 7, bytes: new Uint8Array(0) }]))),
      'over the limit': await failureOf(() => read(GOOD, { limits: { pagesMax: 2 } })),
    };
    expect(failures).toMatchInlineSnapshot(`
      {
        "32-bit": "TRACE_UNSUPPORTED small.core, byte 64: not a 64-bit little-endian ELF file (convert the file to a supported form)",
        "a CSV file": "TRACE_WRONG_FORMAT small.core: this is a page trace (t,vpn,op,n), not an ELF file (give a file of the format asked for)",
        "a page twice": "TRACE_CORRUPT small.core: page 7 is there twice (the file breaks its format here: copy it again, or fix what wrote it)",
        "cut gzip": "TRACE_TRUNCATED small.core: the packed data end early (the file stops early: copy it again and compare its size with the original)",
        "cut in a segment": "TRACE_TRUNCATED small.core, byte 16383: the file ends inside a segment (the file stops early: copy it again and compare its size with the original)",
        "cut in the headers": "TRACE_TRUNCATED small.core, byte 100: the file ends inside the program headers (the file stops early: copy it again and compare its size with the original)",
        "half a page": "TRACE_CORRUPT small.core, byte 232: a segment is not made of whole pages (the file breaks its format here: copy it again, or fix what wrote it)",
        "headers in the header": "TRACE_CORRUPT small.core, byte 64: the program headers overlap the ELF header (the file breaks its format here: copy it again, or fix what wrote it)",
        "no contents": "TRACE_EMPTY small.core, byte 120: no segment has contents in the file (record or copy the file again)",
        "no segments": "TRACE_EMPTY small.core, byte 64: the core has no segment (record or copy the file again)",
        "not a core": "TRACE_WRONG_FORMAT small.core, byte 64: ELF type 2 is not a core (4) (give a file of the format asked for)",
        "only the magic": "TRACE_TRUNCATED small.core, byte 4: the file ends inside the ELF header (the file stops early: copy it again and compare its size with the original)",
        "other entry size": "TRACE_CORRUPT small.core, byte 64: program headers have 32 bytes instead of 56 (the file breaks its format here: copy it again, or fix what wrote it)",
        "over the limit": "TRACE_OVER_LIMIT small.core, byte 232: the core has more than 2 pages (limit pagesMax) (raise the named limit, if the file is meant to be so large)",
        "overlapping segments": "TRACE_CORRUPT small.core, byte 232: segments overlap in the file (the file breaks its format here: copy it again, or fix what wrote it)",
        "text": "TRACE_WRONG_FORMAT small.core: not an ELF file (give a file of the format asked for)",
        "too large": "TRACE_OVERSIZED_NUMBER small.core, byte 232: a segment is larger than 2^48 bytes, or beyond 2^53 (the number is beyond what the format allows: fix what wrote it)",
        "too many segments": "TRACE_UNSUPPORTED small.core, byte 64: the core has over 65534 segments (convert the file to a supported form)",
      }
    `);
  });

  test('either parses any damaged file or refuses it with a TraceError', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.nat(64 + 3 * 56), byte: fc.nat(255) }), { maxLength: 4 }),
        fc.nat(GOOD.length),
        fc.boolean(),
        async (edits, length, cut) => {
          const damaged = Buffer.from(GOOD);
          for (const { at, byte } of edits) damaged[at] = byte;
          const path = tempPath('fuzz.core');
          writeFileSync(path, cut ? damaged.subarray(0, length) : damaged);
          await outcomeOf(() => readCore(path));
        },
      ),
      { numRuns: 150 },
    );
  });
});
