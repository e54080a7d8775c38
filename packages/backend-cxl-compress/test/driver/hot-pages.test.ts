import { cram, HotPagesToken, hotPages } from '@mm-lab/cram';
import { ENODEV } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { expect, test } from 'vitest';
import { cxlCompression } from '../../src/index.js';
import { DEVICE, DRAM, deviceMachineOf } from './device-machine.js';
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
  const drivers = [nodePrivate(), cram(), hotPages(), cxlCompression({ nid: DEVICE })];
  const { services } = deviceMachineOf({ drivers });
  expect(services.get(HotPagesToken).cram_report_hot_pages(DRAM, [1])).toBe(-ENODEV);
});
