import { PAGE_SIZE } from '@mm-lab/mm-core';
import type { CxlCompressSettings } from './cxl-compress-options.js';
import { FirstFitMedium } from './first-fit-medium.js';
import type { Medium } from './medium.js';
import { SlotMedium } from './slot-medium.js';

/** The medium that the settings ask for; null: packed. */
export function mediumOf(settings: CxlCompressSettings): Medium | null {
  const { packing, logicalPages: pages, capacityBytes, highBytes: fromBytes } = settings;
  const compaction = settings.compaction === null ? null : { fromBytes };
  if (packing === 'packed') return null;
  if (packing !== 'first-fit') {
    return new SlotMedium({ pages, capacityBytes, slotBytes: packing, compaction });
  }
  return new FirstFitMedium({
    pages,
    blocksPerPage: PAGE_SIZE / settings.blockBytes,
    capacityBytes,
    sectorBytes: settings.granuleBytes,
    rawBytes: settings.blockBytes + settings.metadataBytes,
    compaction,
  });
}
