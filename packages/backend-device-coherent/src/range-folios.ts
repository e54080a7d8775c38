import { type FolioTable, type MmStruct, type Ptes, pteMapsNormalPage } from '@mm-lab/mm-core';

/**
 * The folios that a range of an address space maps, each once, in the order of addresses: what a
 * driver's walk_page_range over its user's buffer would find. Holes, the zero page and entries that
 * are not present are no folios.
 */
export function rangeFolios(
  memory: { readonly table: FolioTable; readonly ptes: Ptes },
  mm: MmStruct,
  start: number,
  end: number,
): number[] {
  const { table, ptes } = memory;
  const found = new Set<number>();
  ptes.walk(mm.id, start, end, (slot) => {
    const bits = ptes.bits[slot]!;
    if (!pteMapsNormalPage(bits)) return;
    found.add(table.head(ptes.value[slot]!));
  });
  return [...found];
}
