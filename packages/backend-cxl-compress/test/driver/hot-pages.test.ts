import { HotPagesToken, hotPages } from '@mm-lab/cram';
import { ENODEV, type Plugin } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { integrityOf, runUnder, SAFE } from './policy-run.js';

const HOT = { hotPages: { runs: 1, epochNs: 200_000 } };

test('pages that the device nominates are promoted, and nothing is lost', () => {
  const machine = runUnder({ seed: 3, policy: [hotPages()], device: HOT });
  const stats = machine.stats();
  expect(stats['device.hot_pages.reported']).toBeGreaterThan(100);
  expect(stats['cram.hot_pages.promoted']).toBeGreaterThan(50);
  expect(integrityOf(machine)).toEqual(SAFE);
});

test('what the ring has no room for is dropped', () => {
  const stats = runUnder({ seed: 3, policy: [hotPages({ entries: 4 })], device: HOT }).stats();
  const { 'cram.hot_pages.reported': reported, 'cram.hot_pages.overflow': overflow } = stats;
  expect(overflow).toBeGreaterThan(0);
  expect((reported ?? 0) - (overflow ?? 0)).toBeGreaterThan(0);
});

test('a report for a node that is not CRAM’s is refused', () => {
  const answers: number[] = [];
  const peek: Plugin = {
    name: 'peek',
    probe: (services) => {
      answers.push(services.get(HotPagesToken).cram_report_hot_pages(0, [1]));
    },
  };
  runUnder({ seed: 1, policy: [hotPages(), peek], device: HOT });
  expect(answers).toEqual([-ENODEV]);
});
