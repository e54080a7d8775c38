import { expect, test } from 'vitest';
import { cxlCompressDevice, cxlCompression, cxlMempolicy, cxlSysram } from '../../src/index.js';

/** Options that no type check sees: experiments are run as they are written. */
function untyped(options: object): never {
  return options as never;
}

const withSizes = (sizes: object) => () =>
  cxlCompressDevice({ logicalPages: 8, capacityBytes: 32_768, sizes: untyped(sizes) });

/** Entries that are fine, and behind each one with these fields instead. */
const REGION = { id: 0, hpa: { base: 0, pages: 1 }, mode: 'ram', targetNode: 1, device: null };
const withRegion = (other: object) => () =>
  cxlMempolicy(untyped({ ramPages: 1, regions: [REGION, { ...REGION, ...other }] }));
const WINDOW = { base: 0, pages: 1, targetNode: null };
const withWindow = (other: object) => () =>
  cxlMempolicy(untyped({ ramPages: 1, windows: [WINDOW, { ...WINDOW, ...other }] }));

const REFUSED: readonly (readonly [detail: string, make: () => unknown])[] = [
  [
    'cxl-sysram: there is no option onlinetype',
    () => cxlSysram(untyped({ nid: 1, onlinetype: 1 })),
  ],
  [
    "cxl-sysram: onlineType is 'movable', none",
    () => cxlSysram(untyped({ nid: 1, onlineType: 'movable' })),
  ],
  ["cxl-sysram: mode is 'pmem', none", () => cxlSysram(untyped({ nid: 1, mode: 'pmem' }))],
  ['cxl-sysram: nid is undefined, not a whole number', () => cxlSysram(untyped({}))],
  [
    'cxl-mempolicy: there is no option devise',
    () => cxlMempolicy(untyped({ nid: 1, devise: 'a' })),
  ],
  ['cxl-mempolicy: nid is -1, not in 0..63', () => cxlMempolicy({ nid: -1 })],
  ['cxl-mempolicy: device is empty', () => cxlMempolicy({ nid: 1, device: '' })],
  [
    'cxl-mempolicy: there is no option window',
    () => cxlMempolicy(untyped({ ramPages: 1, window: [] })),
  ],
  ['cxl-mempolicy: ramPages is 0.5, not a whole number', () => cxlMempolicy({ ramPages: 0.5 })],
  ['cxl-mempolicy: there is no option targetnode', withWindow({ targetnode: 1 })],
  [
    'cxl-mempolicy: windows.targetNode is undefined, not a whole',
    withWindow({ targetNode: undefined }),
  ],
  ['cxl-mempolicy: windows.targetNode is 64, not in 0..63', withWindow({ targetNode: 64 })],
  ['cxl-mempolicy: windows.base is -1, not in', withWindow({ base: -1 })],
  ['cxl-mempolicy: windows.pages is 0.5, not a whole number', withWindow({ pages: 0.5 })],
  ['cxl-mempolicy: there is no option targetnode', withRegion({ targetnode: 1 })],
  ['cxl-mempolicy: regions.targetNode is -1, not in 0..63', withRegion({ targetNode: -1 })],
  ['cxl-mempolicy: regions.id is 1.5, not a whole number', withRegion({ id: 1.5 })],
  ["cxl-mempolicy: regions.mode is 'pmem', none of ram", withRegion({ mode: 'pmem' })],
  ['cxl-mempolicy: regions.device is undefined', withRegion({ device: undefined })],
  ['cxl-mempolicy: regions.hpa is undefined', withRegion({ hpa: undefined })],
  ['cxl-mempolicy: there is no option page', withRegion({ hpa: { base: 0, page: 1 } })],
  ['cxl-mempolicy: regions.hpa.base is NaN', withRegion({ hpa: { base: NaN, pages: 1 } })],
  [
    'cxl-compression: nid is 1.5, not a whole number',
    () => cxlCompression({ nid: 1, regions: [{ nid: 1.5 }] }),
  ],
  [
    'cxl-compression: there is no option flushes',
    () => cxlCompression(untyped({ nid: 1, flushes: 1 })),
  ],
  [
    'cxl-compression: there is no option node',
    () => cxlCompression(untyped({ nid: 1, regions: [{ nid: 1, node: 2 }] })),
  ],
  [
    "cxl0: sizes.kind is 'content', none of contents, ratio, recorded",
    withSizes({ kind: 'content' }),
  ],
  ['cxl0: there is no option codec', withSizes({ kind: 'contents', codec: 'lz4' })],
  ['cxl0: there is no option sead', withSizes({ kind: 'recorded', bytes: [1], sead: 1 })],
  [
    'cxl0: there is no option ns',
    withSizes({ kind: 'ratio', points: [{ atNs: 0, ratio: 2, ns: 1 }] }),
  ],
];

test.each(REFUSED)('%s', (said, make) => {
  const [plugin = '', detail = ''] = said.split(': ');
  expect(make).toThrow(`${plugin}: a device option is out of range: ${detail}`);
});
