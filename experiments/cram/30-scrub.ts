/**
 * Row 30: what must happen to a page that is freed on the device: nothing, zeroes written by the
 * CPU, or a command that names it? How much real capacity comes back, and what is written for it?
 */

import { cxlCompression } from '@mm-lab/backend-cxl-compress';
import { CramToken, cram, type FlushCallback } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { ContentsToken, deviceToken, PAGE_SIZE, type Plugin } from '@mm-lab/mm-core';
import { nodePrivate, PrivateHotplugToken } from '@mm-lab/node-private';
import {
  bytes,
  cramLab,
  DEVICE,
  demote,
  MENDED_FOR_CRAM,
  onDevice,
  pageRange,
  rounded,
  sizedPages,
  writer,
} from './kit.ts';

const PAGES = 400;
const PAGE_BYTES = 1024;
const NS_PER_S = 1e9;

type Scrub = 'none' | 'zero' | 'trim';

/** A driver that does nothing about freed pages, lets CRAM zero them, or names each at once. */
function scrubbing(scrub: Scrub): Plugin {
  return {
    name: 'scrubbing',
    probe(services) {
      const device = services.get(deviceToken('cxl0'));
      const contents = services.get(ContentsToken);
      const np = { name: 'scrubbing' };
      services.get(PrivateHotplugToken).add_private_memory_driver_managed(DEVICE, np, device);
      const trim: FlushCallback = (folio) => {
        contents.discard(folio);
        return 0;
      };
      const flush = scrub === 'zero' ? null : scrub === 'trim' ? trim : () => 0;
      services.get(CramToken).cram_register_private_node(DEVICE, device, flush);
    },
  };
}

interface Way {
  readonly name: string;
  readonly driver: () => Plugin;
}

const WAYS: readonly Way[] = [
  { name: 'none', driver: () => scrubbing('none') },
  { name: 'zero, by the CPU', driver: () => scrubbing('zero') },
  { name: 'trim, each at once', driver: () => scrubbing('trim') },
  { name: 'trim, RFC v4: buffered', driver: () => cxlCompression({ nid: DEVICE }) },
];

/** Half of what is freed is used again by another program. */
function freeAndReuse({ name, driver }: Way): readonly (string | number)[] {
  const lab = cramLab({
    contents: sizedPages(() => PAGE_BYTES),
    guards: [nodePrivate(MENDED_FOR_CRAM), cram(), driver()],
  });
  const { machine } = lab;
  const used = (): number => machine.stats()['device.physical_bytes'] ?? 0;
  const stores = (): number => machine.stats()['device.stores'] ?? 0;
  const first = onDevice(lab, 'first', PAGES);
  const [full, storesBefore, begin] = [used(), stores(), machine.clock.now];
  first.munmap(0, PAGES);
  const freeNs = (machine.clock.now - begin) / PAGES;
  const atOnce = full - used();
  machine.sleep(2 * NS_PER_S);
  const later = full - used();
  const written = (stores() - storesBefore) * PAGE_SIZE;
  const second = writer(machine, 'second', PAGES);
  demote(lab, second, pageRange(PAGES / 2));
  machine.verify();
  const stats = machine.stats();
  const wrong = (stats['integrity.stale_reads'] ?? 0) + (stats['integrity.leaked_pages'] ?? 0);
  const share = (part: number): number => rounded((100 * part) / full, 1);
  const inUse = (PAGES / 2) * PAGE_BYTES;
  return [
    name,
    share(atOnce),
    share(later),
    written,
    Math.round(freeNs),
    rounded(used() / inUse, 2),
    wrong,
  ];
}

function probe(): Figures {
  const rows = WAYS.map(freeAndReuse);
  const of = (row: number, column: number): number => Number(rows[row]?.[column]);
  return {
    values: {
      'none.recovered_percent': of(0, 2),
      'zero.recovered_percent': of(1, 1),
      'trim.recovered_percent': of(2, 1),
      'buffered.recovered_at_once_percent': of(3, 1),
      'buffered.recovered_percent': of(3, 2),
      'zero.bytes_written': of(1, 3),
      'trim.bytes_written': of(2, 3),
      'buffered.bytes_written': of(3, 3),
      'none.used_after_reuse': of(0, 5),
      'zero.used_after_reuse': of(1, 5),
      wrong: rows.reduce((sum, row) => sum + Number(row[6]), 0),
    },
    tables: [
      {
        name: 'scrub',
        title: `${PAGES} pages of ${PAGE_BYTES} bytes are freed, half as many come in again`,
        chart: {
          kind: 'bars',
          x: ['scrub'],
          y: ['% of capacity back at once', '% back after 2 s'],
          title: '%',
        },
        columns: [
          'scrub',
          '% of capacity back at once',
          '% back after 2 s',
          'bytes written for it',
          'ns per free',
          'bytes held per byte in use, after reuse',
          'wrong contents',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What must be done about a page that is freed on the device?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Without a scrub no capacity comes back: the device does not know that a page is free.',
      holds: (results) => results.figure('none.recovered_percent') === 0,
    },
    {
      text: 'Zeroes and trim bring all of it back at once.',
      holds: (results) =>
        results.figure('zero.recovered_percent') === 100 &&
        results.figure('trim.recovered_percent') === 100,
    },
    {
      text: 'Zeroes write every page whole, trim writes nothing.',
      holds: (results) =>
        results.figure('zero.bytes_written') === bytes(PAGES) &&
        results.figure('trim.bytes_written') === 0,
    },
    {
      text: 'RFC v4 keeps a buffer of pages back until its flush, and zeroes what does not fit.',
      holds: (results) =>
        results.figure('buffered.recovered_at_once_percent') < 100 &&
        results.figure('buffered.recovered_percent') === 100 &&
        results.figure('buffered.bytes_written') > 0 &&
        results.figure('buffered.bytes_written') < bytes(PAGES),
    },
    {
      text: 'After half was used again the device without a scrub holds what nobody has.',
      holds: (results) =>
        results.figure('none.used_after_reuse') > 1.5 &&
        results.figure('zero.used_after_reuse') === 1,
    },
    {
      text: 'Nobody reads what another program left, with or without a scrub.',
      holds: (results) => results.figure('wrong') === 0,
    },
  ],
});
