/**
 * Row 39: a store promotes its whole folio. What does that move for each byte that is written, in
 * folios of 4 KiB and of 2 MiB?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { type CramLab, cramLab, DRAM, demote, pageRange, pagesOn, rounded } from './kit.ts';

const HUGE_PAGES = 512;
const VPNS = pageRange(HUGE_PAGES);
const STORES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const PAGE = 4096;

/** One store of a byte to each of `stores` pages, evenly over 2 MiB on the node. */
function scattered(stores: number, folio: '4 KiB' | '2 MiB') {
  const lab: CramLab = cramLab({ dramPages: 4096 });
  const { machine } = lab;
  const thp = '/sys/kernel/mm/transparent_hugepage/enabled';
  machine.pseudoFiles.write(thp, folio === '2 MiB' ? 'always' : 'never');
  const task = machine.createTask('writer');
  task.mmap(0, HUGE_PAGES);
  for (const vpn of VPNS) task.write(vpn);
  if (demote(lab, task, VPNS) !== HUGE_PAGES) throw new Error('not everything was demoted');
  const begin = machine.clock.now;
  for (let at = 0; at < stores; at++) task.write((at * HUGE_PAGES) / stores);
  const us = (machine.clock.now - begin) / 1000;
  machine.verify();
  return { perByte: (pagesOn(lab, task, VPNS, DRAM) * PAGE) / stores, us: us / stores };
}

function probe(): Figures {
  const rows = STORES.map((stores) => {
    const [small, large] = [scattered(stores, '4 KiB'), scattered(stores, '2 MiB')];
    return [stores, small.perByte, large.perByte, rounded(small.us, 1), rounded(large.us, 1)];
  });
  const crossing = rows.find((row) => Number(row[4]) <= Number(row[3]));
  return {
    values: {
      'one_store.bytes_moved.small': Number(rows[0]?.[1]),
      'one_store.bytes_moved.large': Number(rows[0]?.[2]),
      'all_pages.bytes_moved.large': Number(rows.at(-1)?.[2]),
      'one_store.us.large': Number(rows[0]?.[4]),
      stores_from_which_large_is_faster: Number(crossing?.[0] ?? HUGE_PAGES + 1),
    },
    tables: [
      {
        name: 'stores',
        title: 'One byte is written to each of so many pages of 2 MiB on the node',
        columns: [
          'stores',
          '4 KiB folios',
          '2 MiB folio',
          'µs a store, 4 KiB',
          'µs a store, 2 MiB',
        ],
        rows,
        chart: {
          x: 'stores',
          y: ['4 KiB folios', '2 MiB folio'],
          xLog: true,
          yLog: true,
          yTitle: 'bytes moved for each byte written',
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'How many bytes does a promotion move for each byte that is written?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'One store moves 4096 bytes for a byte, or 2 MiB if the folio is huge.',
      holds: (results) =>
        results.figure('one_store.bytes_moved.small') === PAGE &&
        results.figure('one_store.bytes_moved.large') === PAGE * HUGE_PAGES,
    },
    {
      text: 'Where every page is written the large folio moves no more than the small ones.',
      holds: (results) => results.figure('all_pages.bytes_moved.large') === PAGE,
    },
    {
      text: 'It is the faster one only where a quarter of its pages or more are written.',
      holds: (results) => {
        const from = results.figure('stores_from_which_large_is_faster');
        return from >= HUGE_PAGES / 4 && from <= HUGE_PAGES;
      },
    },
  ],
});
