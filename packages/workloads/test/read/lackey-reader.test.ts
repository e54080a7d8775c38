import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { readLackey, readPageTrace, shippedLackey, shippedTrace } from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { readDamaged } from '../helpers/damage.js';
import { tempFile } from '../helpers/temp-file.js';
import { failureOf } from '../helpers/trace-failure.js';
import { rowsOf } from '../helpers/trace-rows.js';

const GOOD = `==7== Lackey, an example Valgrind tool
I  04001000,3
 L 04003ffe,4
 S 1ffefff8,8
I  04001ffe,3
 M 04003010,8
I  04001003,2
 L 04003018,8
==7==
`;

function read(text: string, options = {}) {
  return readLackey(tempFile('small.txt', text), { ops: 'all', ...options });
}

describe('readLackey', () => {
  test('counts accesses by page, kind and window in the order of first access', async () => {
    expect(rowsOf(await read(GOOD))).toMatchInlineSnapshot(`
      [
        "0,16385,I,3",
        "0,16387,R,3",
        "0,16388,R,1",
        "0,131055,W,1",
        "0,16386,I,1",
        "0,16387,W,1",
      ]
    `);
  });

  test('cuts windows by instructions and rounds times to their 32nd part', async () => {
    const trace = await read(GOOD, { windowInstructions: 2 });
    expect(trace.timeQuantum).toBe(1);
    expect(rowsOf(trace).slice(-3)).toEqual(['2,16387,W,1', '3,16385,I,1', '3,16387,R,1']);
    expect((await read(GOOD, { windowInstructions: 64 })).timeQuantum).toBe(2);
  });

  test('leaves out instruction fetches by default, but counts them as time', async () => {
    const trace = await readLackey(tempFile('small.txt', GOOD), { windowInstructions: 2 });
    expect(rowsOf(trace).at(-1)).toBe('3,16387,R,1');
    expect(new Set(trace.op)).toEqual(new Set([1, 2]));
  });

  test('agrees with a plain count of the recorded sample', async () => {
    const trace = await readLackey(shippedLackey(), { ops: 'all', windowInstructions: 20_000 });
    expect(rowsOf(trace)).toEqual(plainCount(20_000));
  });

  test('starts like the trace that another recorder made of the same program', async () => {
    const { trace } = shippedTrace('sort-text');
    const recorded = await readPageTrace(trace, { ops: 'all', limitRows: 21 });
    const lackey = await readLackey(shippedLackey(), {
      ops: 'all',
      windowInstructions: 248_000,
      limitRows: 21,
    });
    expect([...lackey.ref]).toEqual([...recorded.ref]);
    expect([...lackey.t]).toEqual([...recorded.t]);
  });

  test('says in one line what is wrong', async () => {
    const failures: Record<string, string> = {};
    const lines = ['X  0400,1', 'I  ,1', ' L 04zz,1', ' L 0400', ' L 0400,0', ' L 0400,99999'];
    for (const line of [...lines, ' L ffffffffffffff,1', 'I']) {
      failures[line] = await failureOf(() => read(`${GOOD}${line}\n`));
    }
    failures['no record'] = await failureOf(() => read('==7== nothing\n'));
    failures['window of 0'] = await failureOf(() => read(GOOD, { windowInstructions: 0 }));
    failures['not lackey'] = await failureOf(() => read('hello\n'));
    expect(failures).toMatchInlineSnapshot(`
      {
        " L 0400": "TRACE_CORRUPT small.txt:10: not a lackey record: " L 0400" (the file breaks its format here: copy it again, or fix what wrote it)",
        " L 0400,0": "TRACE_CORRUPT small.txt:10: not a lackey record: " L 0400,0" (the file breaks its format here: copy it again, or fix what wrote it)",
        " L 0400,99999": "TRACE_OVERSIZED_NUMBER small.txt:10: the access is over 64 KiB or ends above 2^48: " L 0400,99999" (the number is beyond what the format allows: fix what wrote it)",
        " L 04zz,1": "TRACE_CORRUPT small.txt:10: not a lackey record: " L 04zz,1" (the file breaks its format here: copy it again, or fix what wrote it)",
        " L ffffffffffffff,1": "TRACE_OVERSIZED_NUMBER small.txt:10: the access is over 64 KiB or ends above 2^48: " L ffffffffffffff,1" (the number is beyond what the format allows: fix what wrote it)",
        "I": "TRACE_CORRUPT small.txt:10: not a lackey record: "I" (the file breaks its format here: copy it again, or fix what wrote it)",
        "I  ,1": "TRACE_CORRUPT small.txt:10: not a lackey record: "I  ,1" (the file breaks its format here: copy it again, or fix what wrote it)",
        "X  0400,1": "TRACE_CORRUPT small.txt:10: not a lackey record: "X  0400,1" (the file breaks its format here: copy it again, or fix what wrote it)",
        "no record": "TRACE_EMPTY small.txt: the trace has no row of the kinds asked for (record the program again, or ask for ops: 'all')",
        "not lackey": "TRACE_WRONG_FORMAT small.txt: not output of valgrind --tool=lackey --trace-mem=yes (give a file of the format asked for)",
        "window of 0": "TRACE_BAD_OPTION windowInstructions is 0 (see the docstring of the option for its range)",
      }
    `);
  });

  test('either parses any damaged file or refuses it with a TraceError', async () => {
    await readDamaged(GOOD, 'fuzz.txt', (path) => readLackey(path, { ops: 'all' }));
  });
});

/** The sample counted in the plainest way, as CSV rows. */
function plainCount(window: number): readonly string[] {
  const text = gunzipSync(readFileSync(shippedLackey())).toString('latin1');
  const rows = new Map<string, { row: string; n: number }>();
  const quantum = Math.floor(window / 32);
  let t = 0;
  for (const line of text.split('\n')) {
    const match = /^(I {2}| [LSM] )([0-9a-f]+),(\d+)$/.exec(line);
    if (match === null) continue;
    const [, kind = '', address = '', size = ''] = match;
    if (kind === 'I  ') t++;
    const first = Math.floor(Number.parseInt(address, 16) / 4096);
    const last = Math.floor((Number.parseInt(address, 16) + Number(size) - 1) / 4096);
    for (const letter of { 'I  ': 'I', ' L ': 'R', ' S ': 'W', ' M ': 'RW' }[kind] ?? '') {
      for (let vpn = first; vpn <= last; vpn++) {
        const key = `${Math.floor((t - 1) / window)},${vpn},${letter}`;
        const row = `${Math.floor(t / quantum) * quantum},${vpn},${letter}`;
        const known = rows.get(key) ?? { row, n: 0 };
        rows.set(key, { ...known, n: known.n + 1 });
      }
    }
  }
  return [...rows.values()].map(({ row, n }) => `${row},${n}`);
}
