import { MIGRATE_TYPES, MIGRATETYPE_NAMES } from '../abi/migratetype.js';
import { MAX_PAGE_ORDER, PAGEBLOCK_PAGES } from '../abi/zone.js';
import { inject, injectable } from '../base/di.js';
import { buddyinfo } from '../mem/buddy.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { freeBlocksOf } from '../mem/free-area.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { PAGEBLOCK_ORDER, pageblockMigratetype } from '../mem/pageblock.js';
import type { Zone } from '../mem/zone.js';
import { textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const ORDERS = Array.from({ length: MAX_PAGE_ORDER + 1 }, (_, order) => order);
const TYPES = Array.from({ length: MIGRATE_TYPES }, (_, type) => type);

/** /proc/buddyinfo and /proc/pagetypeinfo (mm/vmstat.c:frag_show, pagetypeinfo_show). */
@injectable()
export class BuddyFiles implements PseudoFileSource {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
  ) {}

  addTo(files: PseudoFiles): void {
    files.add(
      '/proc/buddyinfo',
      textFile(() => this.buddyinfo()),
    );
    files.add(
      '/proc/pagetypeinfo',
      textFile(() => this.pagetypeinfo()),
    );
  }

  private buddyinfo(): string {
    return this.zones()
      .map((zone) => `${head(zone)} ${row(buddyinfo(zone), 6)}`)
      .join('\n');
  }

  private pagetypeinfo(): string {
    const title = 'Free pages count per migrate type at order';
    return [
      `Page block order: ${PAGEBLOCK_ORDER}`,
      `Pages per block:  ${PAGEBLOCK_PAGES}`,
      '',
      `${title.padEnd(43)} ${row(ORDERS, 6)}`,
      ...this.zones().flatMap((zone) => TYPES.map((type) => this.freeRow(zone, type))),
      '',
      `${'Number of blocks type'.padEnd(23)} ${MIGRATETYPE_NAMES.map(cell).join(' ')}`,
      ...this.zones().map((zone) => `${head(zone)} ${row(this.pageblocks(zone), 12)}`),
    ].join('\n');
  }

  private freeRow(zone: Zone, type: number): string {
    const free = ORDERS.map((order) => freeBlocksOf(this.table, zone, order, type));
    return `${head(zone, 4)}, type ${cell(MIGRATETYPE_NAMES[type] ?? '')} ${row(free, 6)}`;
  }

  /** Page blocks of the zone by type (pagetypeinfo_showblockcount_print). */
  private pageblocks(zone: Zone): number[] {
    const counts = TYPES.map(() => 0);
    for (let pfn = zone.base; pfn < zone.base + zone.spannedPages; pfn += PAGEBLOCK_PAGES) {
      counts[pageblockMigratetype(this.table, pfn)]! += 1;
    }
    return counts;
  }

  private zones(): Zone[] {
    return [...this.nodes.all()].flatMap(({ zones }) => zones.filter((zone) => zone.presentPages));
  }
}

function head(zone: Zone, width = 0): string {
  return `Node ${String(zone.nid).padStart(width)}, zone ${zone.name.padStart(8)}`;
}

function cell(name: string): string {
  return name.padStart(12);
}

function row(counts: readonly number[], width: number): string {
  return counts.map((count) => String(count).padStart(width)).join(' ');
}
