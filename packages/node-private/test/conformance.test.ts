import { describeDriver } from '@mm-lab/testkit';
import { describe, it } from 'vitest';
import { enduranceDriver } from '../../../examples/endurance-driver.ts';
import { nodePrivate } from '../src/index.js';

describeDriver(
  { describe, it },
  {
    name: 'endurance',
    plugins: () => [nodePrivate(), enduranceDriver({ nid: 1, erasesMax: 1e9 })],
    nodes: [
      { id: 0, pages: 600, cpus: 1 },
      { id: 1, pages: 800, online: false, lineNs: 300 },
    ],
  },
);
