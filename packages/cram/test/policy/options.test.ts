import { nodePrivate } from '@mm-lab/node-private';
import { expect, test } from 'vitest';
import {
  balloon,
  cram,
  cramSwap,
  fourPhase,
  hotPages,
  proportional,
  rememberAndReject,
  tokenBucket,
  writableFraction,
} from '../../src/index.js';

/** Options that no type check sees: experiments are run as they are written. */
function untyped(options: object): never {
  return options as never;
}

const REFUSED: readonly (readonly [detail: string, make: () => unknown])[] = [
  ['proportional: to is 0.8, not above from', () => proportional({ from: 0.8, to: 0.8 })],
  ['proportional: from is NaN', () => proportional({ from: Number.NaN, to: 0.8 })],
  ['proportional: most is 1001', () => proportional({ from: 0.1, to: 0.8, most: 1001 })],
  ['proportional: pollNs is -1', () => proportional({ from: 0.1, to: 0.8, pollNs: -1 })],
  ['four-phase: there are no phases', () => fourPhase([])],
  [
    'four-phase: back is 0.9, not below until',
    () => fourPhase([{ pressure: 0, until: 0.9, back: 0.9 }]),
  ],
  [
    'four-phase: until is 0.5, not above 0.5',
    () =>
      fourPhase([
        { pressure: 0, until: 0.5, back: 0 },
        { pressure: 1, until: 0.5, back: 0.1 },
      ]),
  ],
  [
    'four-phase: there is no option untl; known are pressure, until, back',
    () => fourPhase([untyped({ pressure: 0, untl: 0.9, back: 0 })]),
  ],
  ['writable-fraction: fraction is 1.5', () => writableFraction({ fraction: 1.5 })],
  ['writable-fraction: budgetPages is NaN', () => writableFraction({ budgetPages: Number.NaN })],
  [
    'writable-fraction: fraction and budgetPages are both given',
    () => writableFraction({ fraction: 0.5, budgetPages: 3 }),
  ],
  ['writable-fraction: revokeAt is -1', () => writableFraction({ fraction: 0.5, revokeAt: -1 })],
  ['token-bucket: tokens is -1', () => tokenBucket({ tokens: -1, periodNs: 1000 })],
  ['token-bucket: periodNs is 0', () => tokenBucket({ tokens: 1, periodNs: 0 })],
  [
    "token-bucket: entry is 'Free', none of free, counted",
    () => tokenBucket(untyped({ tokens: 1, periodNs: 1000, entry: 'Free' })),
  ],
  ['balloon: pollNs is 0', () => balloon({ zratio: 2000, pollNs: 0 })],
  ['balloon: reserve is 2', () => balloon({ zratio: 2000, reserve: 2 })],
  ['balloon: zratio is Infinity', () => balloon({ zratio: Infinity })],
  ['cram-swap: reapNs is 0', () => cramSwap({ reapNs: 0 })],
  ['hot-pages: entries is 0', () => hotPages({ entries: 0 })],
  ['remember-and-reject: share is 2', () => rememberAndReject({ share: 2 })],
  ['remember-and-reject: entries is 0.5', () => rememberAndReject({ entries: 0.5 })],
  ['cram: there is no option fileEntri; known are', () => cram(untyped({ fileEntri: 'mended' }))],
  [
    "node-private: reclaimFrees is 'mend', none of v4, mended",
    () => nodePrivate(untyped({ reclaimFrees: 'mend' })),
  ],
  [
    'node-private: there is no option reclaimFree; known are reclaimFrees',
    () => nodePrivate(untyped({ reclaimFree: 'mended' })),
  ],
  ["cram: fileEntry is 'mend', none of v4, mended", () => cram(untyped({ fileEntry: 'mend' }))],
];

test.each(REFUSED)('%s', (said, make) => {
  const [plugin = '', detail = ''] = said.split(': ');
  expect(make).toThrow(`${plugin}: a device option is out of range: ${detail}`);
});
