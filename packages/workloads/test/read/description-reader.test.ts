import { readFileSync } from 'node:fs';
import { readDescription, shippedTrace } from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { readDamaged } from '../helpers/damage.js';
import { tempFile } from '../helpers/temp-file.js';
import { failureOf } from '../helpers/trace-failure.js';

const GOOD = readFileSync(shippedTrace('redis-kv').description, 'utf8');

const read = (text: string) => readDescription(tempFile('small.json', text));

describe('readDescription', () => {
  test('gives what the recorder says', async () => {
    const { lru, ...rest } = await read(GOOD);
    expect(rest).toMatchInlineSnapshot(`
      {
        "command": "redis-server --port 21379 --bind 127.0.0.1 --save '' --appendonly no --loglevel warning --hz 1",
        "core": {
          "pages": 672,
          "snap": 3,
          "t": 806037842,
        },
        "eventsFile": "redis-kv.events.csv.gz",
        "input": "kvload.py: 60,000 keys set, then 120,000 operations (80 % GET, 13 % SET, 3 % DEL, HSET, ZADD), values of text, JSON and random bytes",
        "instructions": 831952477,
        "maxPagesPerWindow": 1453,
        "meanPagesPerWindow": 1037.9,
        "program": "redis-kv",
        "rows": 695058,
        "rowsByOp": {
          "I": 57368,
          "R": 463596,
          "W": 171559,
          "r": 669,
          "w": 1866,
        },
        "snapshots": [
          {
            "pages": 4652,
            "snap": 0,
            "t": 207741712,
          },
          {
            "pages": 6536,
            "snap": 1,
            "t": 415483424,
          },
          {
            "pages": 6542,
            "snap": 2,
            "t": 623225136,
          },
          {
            "pages": 6545,
            "snap": 3,
            "t": 806037842,
          },
        ],
        "timeQuantum": 51500,
        "title": "Redis serving a skewed key-value load",
        "traceFile": "redis-kv.trace.csv.gz",
        "uniquePages": {
          "all": 6585,
          "code": 574,
          "data": 6011,
          "written": 5310,
        },
        "windowInstructions": 1648000,
      }
    `);
    expect([lru.cold, lru.points.length, lru.points[16]]).toEqual([
      6585,
      23,
      { pages: 1024, exact: 290399, reduced: 347262 },
    ]);
  });

  test('says in one line what is wrong', async () => {
    const failures = {
      syntax: await failureOf(() => read('{ "program": ')),
      missing: await failureOf(() => read(GOOD.replace('"time_quantum"', '"other"'))),
      type: await failureOf(() => read(GOOD.replace('"rows": 695058', '"rows": "many"'))),
      folder: await failureOf(() => read(GOOD.replace('"redis-kv.trace', '"../redis-kv.trace'))),
      list: await failureOf(() => read('[1]')),
      long: await failureOf(() => read(`{${' '.repeat(2 ** 20)}}`)),
    };
    expect(failures).toMatchInlineSnapshot(`
      {
        "folder": "TRACE_CORRUPT small.json: trace: must be a file name without a folder (the file breaks its format here: copy it again, or fix what wrote it)",
        "list": "TRACE_WRONG_FORMAT small.json: not a trace's JSON description (give a file of the format asked for)",
        "long": "TRACE_OVER_LIMIT small.json: the description has over 1048576 bytes (limit bytesMax) (descriptions are small)",
        "missing": "TRACE_CORRUPT small.json: time_quantum: Invalid input: expected number, received undefined (the file breaks its format here: copy it again, or fix what wrote it)",
        "syntax": "TRACE_CORRUPT small.json: not valid JSON: Unexpected end of JSON input (the file breaks its format here: copy it again, or fix what wrote it)",
        "type": "TRACE_CORRUPT small.json: rows: Invalid input: expected number, received string (the file breaks its format here: copy it again, or fix what wrote it)",
      }
    `);
  });

  test('either parses any damaged file or refuses it with a TraceError', async () => {
    await readDamaged(GOOD, 'fuzz.json', readDescription);
  });
});
