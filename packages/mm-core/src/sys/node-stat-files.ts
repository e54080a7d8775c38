import { PG_anon, PG_buddy } from '../abi/page-flags.js';
import { inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
} from '../mem/lruvec.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const KB_PER_PAGE = 4;

/**
 * How much memory of a node is used for what (drivers/base/node.c:node_read_meminfo). The gauges
 * are recounted when they are read.
 */
@injectable()
export class NodeStatFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(FolioTableToken) private readonly table: FolioTable,
  ) {}

  addTo(files: PseudoFiles): void {
    for (const { nid } of this.nodes.all()) {
      files.add(
        `/sys/devices/system/node/node${nid}/meminfo`,
        textFile(() => this.meminfo(nid)),
      );
    }
  }

  private meminfo(nid: number): string {
    const pgdat = this.nodes.pgdat(nid);
    const [anon, file] = this.mappedPages(nid);
    const total = pgdat.managedPages();
    const free = pgdat.freePages();
    const rows: readonly (readonly [string, number])[] = [
      ['MemTotal', total],
      ['MemFree', free],
      ['MemUsed', total - free],
      ['Active(anon)', this.lru.size(nid, LRU_ACTIVE_ANON)],
      ['Inactive(anon)', this.lru.size(nid, LRU_INACTIVE_ANON)],
      ['Active(file)', this.lru.size(nid, LRU_ACTIVE_FILE)],
      ['Inactive(file)', this.lru.size(nid, LRU_INACTIVE_FILE)],
      ['Unevictable', this.lru.size(nid, LRU_UNEVICTABLE)],
      ['Mapped', file],
      ['AnonPages', anon],
    ];
    return rows.map(([name, pages]) => `Node ${nid} ${name}: ${pages * KB_PER_PAGE} kB`).join('\n');
  }

  /** Mapped pages, anonymous and of files (NR_ANON_MAPPED, NR_FILE_MAPPED). */
  private mappedPages(nid: number): [anon: number, file: number] {
    const { table } = this;
    const mapped: [anon: number, file: number] = [0, 0];
    for (const zone of this.nodes.pgdat(nid).zones) {
      const end = zone.base + zone.spannedPages;
      for (let pfn = zone.base; pfn < end; ) {
        if (pfn >= zone.untouchedStart && pfn < zone.untouchedEnd) pfn = zone.untouchedEnd;
        else if (table.has(pfn, PG_buddy)) pfn += table.nrPages(pfn);
        else {
          if (table.mapcount[pfn]! > 0) mapped[table.has(table.head(pfn), PG_anon) ? 0 : 1]++;
          pfn++;
        }
      }
    }
    return mapped;
  }
}
