/**
 * Row 24: the RFC's "Future CRAM" counts writable pages in a bitmap of one bit a page, which it
 * puts at 32 MiB for each TiB.
 */
import { writableFraction } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { bytes, cramLab, onDevice, rounded } from './kit.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const TIB = 2 ** 40;
/** Pages of the node: 16 MiB to 16 GiB. */
const SIZES = [2 ** 12, 2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22];
const CLAIMED_MIB = 32;

/** Bytes of the bitmap of a node on which one page has become writable. */
function bitmapBytes(pages: number): number {
  const lab = cramLab({ devicePages: pages, plugins: [writableFraction({ budgetPages: 1 })] });
  const task = onDevice(lab, 'writer', 1);
  task.write(0);
  const stats = lab.machine.stats();
  if (stats['cram.writable_pages'] !== 1) throw new Error('the page did not become writable');
  return stats['cram.writable_bitmap_bytes'] ?? 0;
}

function probe(): Figures {
  const rows = SIZES.map((pages) => {
    const held = bitmapBytes(pages);
    const perTib = (held / bytes(pages)) * TIB;
    return [rounded(bytes(pages) / GIB, 4), held, rounded(perTib / MIB, 3)];
  });
  const perTib = rows.map((row) => Number(row[2]));
  return {
    values: {
      'mib_per_tib.least': Math.min(...perTib),
      'mib_per_tib.most': Math.max(...perTib),
    },
    tables: [
      {
        name: 'sizes',
        title: 'The bitmap of writable pages',
        chart: { x: 'node GiB', y: ['MiB per TiB'], xLog: true, yTitle: 'MiB per TiB' },
        columns: ['node GiB', 'bytes', 'MiB per TiB'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'How large is the bitmap of writable pages?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'It takes 32 MiB for each TiB, whatever the size of the node.',
      holds: (results) =>
        results.figure('mib_per_tib.least') === CLAIMED_MIB &&
        results.figure('mib_per_tib.most') === CLAIMED_MIB,
    },
  ],
});
