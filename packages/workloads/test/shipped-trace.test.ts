import { existsSync, statSync } from 'node:fs';
import { SHIPPED_TRACES, shippedLackey, shippedTrace } from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { failureOf } from './helpers/trace-failure.js';

describe('shippedTrace', () => {
  test.each(SHIPPED_TRACES)('%s has all its files', (name) => {
    const { name: _, ...files } = shippedTrace(name);
    expect(Object.values(files).filter((file) => !existsSync(file))).toEqual([]);
  });

  test('finds the lackey recording', () => {
    expect(statSync(shippedLackey()).size).toBe(175615);
  });

  test('names what there is', async () => {
    expect(await failureOf(() => shippedTrace('redis'))).toBe(
      'TRACE_BAD_OPTION no trace called "redis" comes with this package ' +
        '(choose one of redis-kv, matmul-c, sort-text, or give a path)',
    );
  });
});
