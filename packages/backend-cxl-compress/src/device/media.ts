import { PAGE_SIZE } from '@mm-lab/mm-core';
import type { CxlCompressSettings } from './cxl-compress-options.js';
import { FirstFitMedium } from './first-fit-medium.js';
import type { Medium } from './medium.js';
import { PackedMedium } from './packed-medium.js';
import type { PageLedger } from './page-ledger.js';
import { SlotMedium } from './slot-medium.js';
import type { StoredSizes } from './stored-sizes.js';

/** How pages lie on a device: who gives out the space, and the pieces that it is asked for. */
export interface Layout {
  readonly medium: Medium;
  /** Bytes of each piece of a page with these contents; none: nothing is stored. */
  readonly piecesOf: (key: number) => readonly number[];
}

/** What the settings ask for; all that hangs on `packing` is decided here. */
export function layoutOf(
  settings: CxlCompressSettings,
  ledger: PageLedger,
  sizes: StoredSizes,
): Layout {
  const { packing, logicalPages: pages, capacityBytes, compaction } = settings;
  const whole = (key: number): readonly number[] => [sizes.bytesOf(key)];
  if (packing === 'packed') {
    return { medium: new PackedMedium(ledger, capacityBytes), piecesOf: whole };
  }
  if (packing !== 'first-fit') {
    const compactFromBytes = compaction === null ? Infinity : settings.highBytes;
    const medium = new SlotMedium({ pages, capacityBytes, slotBytes: packing, compactFromBytes });
    return { medium, piecesOf: whole };
  }
  const medium = new FirstFitMedium({
    pages,
    blocksPerPage: PAGE_SIZE / settings.blockBytes,
    capacityBytes,
    sectorBytes: settings.granuleBytes,
    rawBytes: settings.blockBytes + settings.metadataBytes,
    moves: compaction === null ? 'never' : 'for room',
  });
  return { medium, piecesOf: (key) => sizes.blocksApart(key) };
}
