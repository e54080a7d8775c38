import { expect, test } from 'vitest';
import { firstRows } from '../../src/workload/first-rows.js';
import { loadWorkload } from '../../src/workload/load-workload.js';
import { pageDataOf } from '../../src/workload/loaded-workload.js';

const OPTIONS = { seed: 1, folder: '.' };

test('a shipped trace brings its contents and events, all in shared memory', async () => {
  const workload = await loadWorkload({ trace: 'matmul-c', limitRows: 5000 }, OPTIONS);
  const { trace, capture, events } = workload;
  expect([trace.rows, capture?.core.pages ?? 0, (events?.length ?? 0) > 0]).toEqual([
    5000,
    expect.any(Number),
    true,
  ]);
  expect(trace.ref.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(capture?.core.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
});

test('a generated workload is the same for the same seed, and bounded by --rows', async () => {
  const spec = {
    generator: 'zipf',
    options: { rows: 1000, pages: 64, alpha: 1 },
  } as const;
  const [one, two] = [await loadWorkload(spec, OPTIONS), await loadWorkload(spec, OPTIONS)];
  expect(one.trace.ref).toEqual(two.trace.ref);
  expect((await loadWorkload(spec, { ...OPTIONS, rowsMax: 10 })).trace.rows).toBe(10);
  expect(pageDataOf(one, 1).keyOf(7, 1, 0)).toBe(pageDataOf(two, 1).keyOf(7, 1, 0));
});

test('the first rows have their own totals', async () => {
  const { trace } = await loadWorkload(
    { generator: 'scan', options: { rows: 100, pages: 10 } },
    OPTIONS,
  );
  const first = firstRows(trace, 7);
  expect([first.rows, first.accesses, first.pages]).toEqual([7, 7, 7]);
});

test('a trace that is not there is told with what is', async () => {
  await expect(loadWorkload({ trace: 'redis' }, OPTIONS)).rejects.toThrow(/redis-kv, /);
  await expect(loadWorkload({ trace: './none.csv' }, OPTIONS)).rejects.toMatchObject({
    code: 'TRACE_NOT_FOUND',
  });
});
