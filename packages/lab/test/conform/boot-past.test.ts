import { expect, test } from 'vitest';
import { type BootPast, withBootPast } from '../../src/conform/boot-past.js';
import type { Json } from '../../src/conform/json.js';
import type { RecordRun } from '../../src/conform/record-run.js';

const TOPOLOGY = { nodes: { 0: {}, 1: {} } };

/** A run of steps whose results are what the recorder's boot says of them. */
function answered(kase: { readonly steps: readonly { readonly op: string }[] }, results: Json[]) {
  return kase.steps.map(({ op }, at) => ({ op, result: results[at] ?? {} }));
}

/** The pasts that were tried until one fitted the record, and the note. */
function tried(
  kase: { readonly steps: readonly { readonly op: string }[] },
  recorded: Json[],
  model: (past: BootPast) => Json[],
  earlier: readonly Json[] = [],
): { readonly last: BootPast | undefined; readonly run: RecordRun } {
  let last: BootPast | undefined;
  const record = { steps: answered(kase, recorded) };
  const run = withBootPast(
    {
      kase: { steps: kase.steps.map((step) => ({ ...step })) },
      record,
      topology: TOPOLOGY,
      earlier,
    },
    (past) => {
      last = past;
      return { notes: [], steps: answered(kase, model(past)) };
    },
  );
  return { last, run };
}

const SHARED = {
  steps: [
    { op: 'mmap', as: 'A', flags: ['shared', 'anon'] },
    { op: 'mbind', r: 'A', mode: 'INTERLEAVE', nodes: [0, 1] },
    { op: 'where', r: 'A' },
    { op: 'touch', r: 'A' },
  ],
};

test('a case that a fresh boot explains is run once and has no note', () => {
  const { last, run } = tried(SHARED, [{}, {}, { by_node: { 0: 1 } }], () => [
    {},
    {},
    { by_node: { 0: 1 } },
  ]);
  expect([last?.files, run.notes]).toEqual([0, []]);
});

test('the first look at shared memory tells how many shared files there were before', () => {
  const where = (files: number): Json => ({ by_node: { [files % 2]: 1 } });
  const { last, run } = tried(SHARED, [{}, {}, where(1)], ({ files }) => [{}, {}, where(files)]);
  expect([last?.files, run.notes]).toEqual([
    1,
    ['the inode number of its shared memory was read from its own record'],
  ]);
});

test('what no past of the boot explains stays a difference of the fresh boot', () => {
  const { run } = tried(SHARED, [{}, {}, { by_node: { 7: 1 } }], () => [{}, {}, { by_node: {} }]);
  expect([run.notes, run.steps[2]?.result]).toEqual([[], { by_node: {} }]);
});

test('a difference before the look is not explained by it', () => {
  const { last, run } = tried(SHARED, [{ ret: 1 }, {}, { by_node: { 1: 1 } }], ({ files }) => [
    { ret: 0 },
    {},
    { by_node: { [files % 2]: 1 } },
  ]);
  expect([last?.files, run.notes]).toEqual([0, []]);
});

const POOL = {
  steps: [
    { op: 'sys_write', path: '/proc/sys/vm/nr_hugepages', value: '1' },
    { op: 'sys_read', path: '/sys/devices/system/node/node0/nr' },
    { op: 'sys_read', path: '/sys/devices/system/node/node1/nr' },
    { op: 'mmap', as: 'A' },
    { op: 'sys_read', path: '/sys/devices/system/node/node0/free' },
  ],
};
const FIRST: Json[] = [{}, { value: '1' }, { value: '0' }];
const SECOND: Json[] = [{}, { value: '0' }, { value: '1' }];

test('a case of huge pages may come after others that had used their pool', () => {
  const turn = ({ pools }: BootPast): number => (pools.some(({ nid }) => nid === 1) ? 1 : 0);
  const { run } = tried(POOL, SECOND, (past) => (turn(past) === 1 ? SECOND : FIRST));
  expect(run.notes).toEqual([
    'what its boot had done to the pool of huge pages was read from its own record',
  ]);
});

test('the cases that stand before it in its file are run first, before anything is guessed', () => {
  const earlier = [{ id: 'before', steps: [] }];
  const { last, run } = tried(
    POOL,
    SECOND,
    ({ cases }) => (cases.length > 0 ? SECOND : FIRST),
    earlier,
  );
  expect([last?.cases, run.notes]).toEqual([
    earlier,
    ['earlier cases of its boot were run before it'],
  ]);
});

test('of several pasts that explain the first look the one that explains most is taken', () => {
  const pages = ({ pools }: BootPast): number => pools.length;
  const later = (past: BootPast): Json => ({ value: String(pages(past)) });
  const recorded = [...SECOND, {}, { value: '4' }];
  const { last } = tried(POOL, recorded, (past) =>
    pages(past) === 0 ? FIRST : [...SECOND, {}, later(past)],
  );
  expect(last?.pools.length).toBe(4);
});

test('the likeliest turn comes first: the node that gives next is the one that takes next', () => {
  const asked: string[] = [];
  tried(POOL, SECOND, ({ pools }) => {
    const nids = new Set(pools.map(({ nid }) => nid));
    asked.push([...nids].sort().join());
    return FIRST;
  });
  // The fresh boot, both turns on one node, then one on each; pages that were left come later.
  expect(asked.slice(0, 5)).toEqual(['', '0', '1', '0,1', '0,1']);
});

test('a case that fills the pool node by node takes no turns: only pages may be left', () => {
  const kase = {
    steps: [
      {
        op: 'sys_write',
        path: '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages',
        value: '1',
      },
      ...POOL.steps.slice(1),
    ],
  };
  const pasts: BootPast[] = [];
  const { last, run } = tried(kase, SECOND, (past) => {
    pasts.push(past);
    return past.pools.length === 2 ? SECOND : FIRST;
  });
  expect([last?.pools, run.notes.length]).toEqual([
    [
      { nid: 0, count: 1 },
      { nid: 1, count: 1 },
    ],
    1,
  ]);
  const twice = pasts.filter(
    ({ pools }) => new Set(pools.map(({ nid }) => nid)).size < pools.length,
  );
  expect(twice).toEqual([]);
});
