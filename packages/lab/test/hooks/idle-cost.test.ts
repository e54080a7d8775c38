import { expect, test } from 'vitest';
import { idleCosts } from '../../src/hooks/idle-cost.js';

test('without private memory an allocation costs one question on any number of nodes', () => {
  const rows = idleCosts().map(
    ({ event, nodes, gate, all }) => `${event} ${nodes}: ${gate} ${all}`,
  );
  expect(rows).toEqual([
    'allocation 1: 1 1',
    'anonymous fault 1: 1 3',
    'shared fault 1: 1 2',
    'free 1: 0 1',
    'allocation 4: 1 1',
    'anonymous fault 4: 1 3',
    'shared fault 4: 1 2',
    'free 4: 0 1',
  ]);
});
