import { readEvents, SHIPPED_TRACES, shippedTrace } from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { readDamaged } from '../helpers/damage.js';
import { tempFile } from '../helpers/temp-file.js';
import { failureOf } from '../helpers/trace-failure.js';

const HEADER = 't,event,addr,len,prot,kind,offset,name\n';
const GOOD = `${HEADER}0,startup,0x108000,389120,r--,file,4096,"/usr/bin/a,b"
0,brk+,0x4035000,4097,,,,
7,mmap,0x4835000,8192,rw-,anon,0,
8,mprotect,0x4835000,4096,r-x,shm,0,x
9,mremap,0x762c000,5287936,,,,0x7f37000
9,madvise,0x932a000,12288,,,,advice=4
10,munmap,0x4835000,8192,,,,
11,syscall,,,,,,nr=231 args=0 e7 3c
12,tid,,,,,,5
`;

const read = (text: string) => readEvents(tempFile('small.events.csv', text));

describe('readEvents', () => {
  test('gives each event its own fields', async () => {
    const lines = (await read(GOOD)).map((event) => JSON.stringify(event));
    expect(lines).toMatchInlineSnapshot(`
      [
        "{"t":0,"event":"startup","addr":1081344,"len":389120,"readable":true,"writable":false,"executable":false,"kind":"file","offset":4096,"name":"/usr/bin/a,b"}",
        "{"t":0,"event":"brk+","addr":67325952,"len":4097}",
        "{"t":7,"event":"mmap","addr":75714560,"len":8192,"readable":true,"writable":true,"executable":false,"kind":"anon","offset":0,"name":""}",
        "{"t":8,"event":"mprotect","addr":75714560,"len":4096,"readable":true,"writable":false,"executable":true,"kind":"shm","offset":0,"name":"x"}",
        "{"t":9,"event":"mremap","addr":123912192,"len":5287936,"newAddr":133394432}",
        "{"t":9,"event":"madvise","addr":154312704,"len":12288,"advice":4}",
        "{"t":10,"event":"munmap","addr":75714560,"len":8192}",
        "{"t":11,"event":"syscall","nr":231,"args":["0","e7","3c"]}",
        "{"t":12,"event":"tid","tid":5}",
      ]
    `);
  });

  test('reads the events of every shipped trace', async () => {
    const counts: Record<string, number> = {};
    for (const name of SHIPPED_TRACES) {
      counts[name] = (await readEvents(shippedTrace(name).events)).length;
    }
    expect(counts).toEqual({ 'redis-kv': 201, 'matmul-c': 37, 'sort-text': 36 });
  });

  test('says in one line what is wrong', async () => {
    const failures: Record<string, string> = {};
    for (const line of [
      '1,mmap,0x1000,4096,rw-,anon,0',
      '1,mmap,4096,4096,rw-,anon,0,',
      '1,mmap,0x1000,-1,rw-,anon,0,',
      '1,mmap,0x1000,4096,rwz,anon,0,',
      '1,mmap,0x1000,4096,rw-,tape,0,',
      '1,mmap,0xffffffffff600000,4096,rw-,anon,0,',
      '1,explode,0x1000,4096,,,,',
      '1,madvise,0x1000,4096,,,,4',
      '1,syscall,,,,,,231',
      '1,tid,,,,,,one',
      '1,mmap,0x1000,4096,rw-,file,0,"open',
      'x,tid,,,,,,1',
    ]) {
      failures[line] = await failureOf(() => read(`${HEADER}${line}\n`));
    }
    failures['t decreases'] = await failureOf(() => read(`${GOOD}3,tid,,,,,,1\n`));
    failures['other header'] = await failureOf(() => read('t,event,len\n1,tid,1\n'));
    failures.trace = await failureOf(() => read('t,vpn,op,n\n0,1,R,1\n'));
    expect(failures).toMatchInlineSnapshot(`
      {
        "1,explode,0x1000,4096,,,,": "TRACE_CORRUPT small.events.csv:2: event is unknown: "explode" (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,madvise,0x1000,4096,,,,4": "TRACE_CORRUPT small.events.csv:2: name is not advice=N: "4" (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,mmap,0x1000,-1,rw-,anon,0,": "TRACE_CORRUPT small.events.csv:2: len is negative: "-1" (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,mmap,0x1000,4096,rw-,anon,0": "TRACE_CORRUPT small.events.csv:2: another number of columns than the header (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,mmap,0x1000,4096,rw-,file,0,"open": "TRACE_CORRUPT small.events.csv:2: a quote is not closed (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,mmap,0x1000,4096,rw-,tape,0,": "TRACE_CORRUPT small.events.csv:2: kind is unknown: "tape" (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,mmap,0x1000,4096,rwz,anon,0,": "TRACE_CORRUPT small.events.csv:2: prot is not an rwx triple: "rwz" (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,mmap,0xffffffffff600000,4096,rw-,anon,0,": "TRACE_OVERSIZED_NUMBER small.events.csv:2: addr is above 9007199254740991: "0xffffffffff600000" (the number is beyond what the format allows: fix what wrote it)",
        "1,mmap,4096,4096,rw-,anon,0,": "TRACE_CORRUPT small.events.csv:2: addr is not a hexadecimal address: "4096" (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,syscall,,,,,,231": "TRACE_CORRUPT small.events.csv:2: name is not nr=N args=…: "231" (the file breaks its format here: copy it again, or fix what wrote it)",
        "1,tid,,,,,,one": "TRACE_CORRUPT small.events.csv:2: name is not a whole number: "one" (the file breaks its format here: copy it again, or fix what wrote it)",
        "other header": "TRACE_HEADER_MISSING small.events.csv:1: unknown columns "t,event,len" (the first line must be t,event,addr,len,prot,kind,offset,name)",
        "t decreases": "TRACE_CORRUPT small.events.csv:11: t decreases from 12: "3" (the file breaks its format here: copy it again, or fix what wrote it)",
        "trace": "TRACE_WRONG_FORMAT small.events.csv: this is a page trace (t,vpn,op,n), not address-space events (t,event,addr,…) (give a file of the format asked for)",
        "x,tid,,,,,,1": "TRACE_CORRUPT small.events.csv:2: t is not a whole number: "x" (the file breaks its format here: copy it again, or fix what wrote it)",
      }
    `);
  });

  test('names the limit that is exceeded', async () => {
    const file = tempFile('small.events.csv', GOOD);
    expect(await failureOf(() => readEvents(file, { limits: { rowsMax: 3 } }))).toMatch(
      'TRACE_OVER_LIMIT small.events.csv: the file has more than 3 rows (limit rowsMax)',
    );
  });

  test('either parses any damaged file or refuses it with a TraceError', async () => {
    await readDamaged(GOOD, 'fuzz.csv', readEvents);
  });
});
