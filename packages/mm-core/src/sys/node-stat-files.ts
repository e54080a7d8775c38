import {
  PG_active,
  PG_anon,
  PG_buddy,
  PG_lru,
  PG_mlocked,
  PG_reserved,
  PG_swapbacked,
  PG_unevictable,
} from '../abi/page-flags.js';
import { pteMapsPage } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { LEAF_SHIFT, PMD_HUGE, type Ptes, PtesToken } from '../mem/ptes.js';
import type { Zone } from '../mem/zone.js';
import { type Mms, MmsToken } from '../mm/mms.js';
import { type PageCache, PageCacheToken } from '../mm/page-cache.js';
import { textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const KIB_PER_PAGE = 4;
/** Of numastat, vmstat has numa_hit, numa_miss and numa_foreign here. */
const NUMA_MISSES = 3;

/** Pages of a node by what they are (enum node_stat_item). */
interface NodePages {
  activeAnon: number;
  inactiveAnon: number;
  activeFile: number;
  inactiveFile: number;
  unevictable: number;
  mlocked: number;
  anonMapped: number;
  fileMapped: number;
  filePages: number;
  shmem: number;
}

/**
 * meminfo and numastat of each node (drivers/base/node.c). Pages are counted when somebody reads.
 * Simplified: what the kernel has besides pages of programs and files (slab, page tables, stacks)
 * is not there, and interleaved allocations are not counted apart.
 */
@injectable()
export class NodeStatFiles implements PseudoFileSource {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(PtesToken) private readonly ptes: Ptes,
  ) {}

  addTo(files: PseudoFiles): void {
    for (const { nid } of this.nodes.all()) {
      const folder = `/sys/devices/system/node/node${nid}`;
      files.add(
        `${folder}/meminfo`,
        textFile(() => this.meminfo(nid)),
      );
      files.add(
        `${folder}/vmstat`,
        textFile(() => this.vmstat(nid)),
      );
      files.add(
        `${folder}/numastat`,
        textFile(() => this.numastat(nid)),
      );
    }
  }

  private meminfo(nid: number): string {
    const pgdat = this.nodes.pgdat(nid);
    const pages = this.count(nid);
    const total = pgdat.managedPages();
    const free = pgdat.freePages();
    const rows: readonly (readonly [string, number])[] = [
      ['MemTotal', total],
      ['MemFree', free],
      ['MemUsed', total - free],
      ['Active', pages.activeAnon + pages.activeFile],
      ['Inactive', pages.inactiveAnon + pages.inactiveFile],
      ['Active(anon)', pages.activeAnon],
      ['Inactive(anon)', pages.inactiveAnon],
      ['Active(file)', pages.activeFile],
      ['Inactive(file)', pages.inactiveFile],
      ['Unevictable', pages.unevictable],
      ['Mlocked', pages.mlocked],
      ['FilePages', pages.filePages],
      ['Mapped', pages.fileMapped],
      ['AnonPages', pages.anonMapped],
      ['Shmem', pages.shmem],
      ['AnonHugePages', this.hugeFolios(nid) * PTRS_PER_PTE],
    ];
    return rows
      .map(([name, count]) => `Node ${nid} ${`${name}:`.padEnd(16)}${kib(count)} kB`)
      .join('\n');
  }

  /** Simplified: gauges only, those that there are. */
  private vmstat(nid: number): string {
    const pages = this.count(nid);
    const rows: readonly (readonly [string, number])[] = [
      ['nr_free_pages', this.nodes.pgdat(nid).freePages()],
      ...Object.entries(this.nodes.pgdat(nid).numaStat).slice(0, NUMA_MISSES),
      ['nr_inactive_anon', pages.inactiveAnon],
      ['nr_active_anon', pages.activeAnon],
      ['nr_inactive_file', pages.inactiveFile],
      ['nr_active_file', pages.activeFile],
      ['nr_unevictable', pages.unevictable],
      ['nr_anon_pages', pages.anonMapped],
      ['nr_mapped', pages.fileMapped],
      ['nr_file_pages', pages.filePages],
      ['nr_shmem', pages.shmem],
      ['nr_anon_transparent_hugepages', this.hugeFolios(nid)],
    ];
    return rows.map(([name, count]) => `${name} ${count}`).join('\n');
  }

  /** Anonymous folios of the node that some page table maps whole (NR_ANON_THPS). */
  private hugeFolios(nid: number): number {
    const found = new Set<number>();
    for (const { id } of this.mms.all()) {
      for (const [, leaf] of this.ptes.regions(id)) {
        if (this.ptes.pmd[leaf] !== PMD_HUGE) continue;
        const pfn = this.ptes.value[leaf << LEAF_SHIFT]!;
        const maps = pteMapsPage(this.ptes.bits[leaf << LEAF_SHIFT]!);
        if (maps && this.table.has(pfn, PG_anon) && this.nodes.nidOf(pfn) === nid) found.add(pfn);
      }
    }
    return found.size;
  }

  private numastat(nid: number): string {
    const rows = Object.entries(this.nodes.pgdat(nid).numaStat);
    return rows.map(([name, count]) => `${name} ${count}`).join('\n');
  }

  private count(nid: number): NodePages {
    const pages: NodePages = {
      activeAnon: 0,
      inactiveAnon: 0,
      activeFile: 0,
      inactiveFile: 0,
      unevictable: 0,
      mlocked: 0,
      anonMapped: 0,
      fileMapped: 0,
      filePages: 0,
      shmem: 0,
    };
    for (const pgdat of this.nodes.all()) {
      if (pgdat.countedNid !== nid) continue;
      for (const zone of pgdat.zones) this.countZone(zone, pages);
    }
    return pages;
  }

  /** Free blocks and blocks that nobody ever had are passed over whole. */
  private countZone(zone: Zone, pages: NodePages): void {
    const { table } = this;
    const end = zone.base + zone.spannedPages;
    for (let pfn = zone.base; pfn < end; pfn++) {
      if (pfn >= zone.untouchedStart && pfn < zone.untouchedEnd) {
        pfn = zone.untouchedEnd - 1;
        continue;
      }
      const flags = table.flags[pfn]!;
      if ((flags & PG_buddy) !== 0) pfn += (1 << table.order[pfn]!) - 1;
      else if ((flags & PG_reserved) === 0) this.countPage(pfn, pages);
    }
  }

  private countPage(pfn: number, pages: NodePages): void {
    const { table } = this;
    const head = table.head(pfn);
    const flags = table.flags[head]!;
    const isMapped = table.mapcount[pfn]! > 0;
    const isAnon = (table.flags[pfn]! & PG_anon) !== 0;
    if (isMapped && isAnon) pages.anonMapped++;
    if (isMapped && !isAnon) pages.fileMapped++;
    if ((flags & PG_mlocked) !== 0) pages.mlocked++;
    if (this.cache.has(head)) {
      pages.filePages++;
      if ((flags & PG_swapbacked) !== 0) pages.shmem++;
    }
    if ((flags & PG_lru) === 0) return;
    if ((flags & PG_unevictable) !== 0) pages.unevictable++;
    else if ((flags & PG_swapbacked) !== 0) {
      pages[(flags & PG_active) !== 0 ? 'activeAnon' : 'inactiveAnon']++;
    } else pages[(flags & PG_active) !== 0 ? 'activeFile' : 'inactiveFile']++;
  }
}

function kib(pages: number): string {
  return String(pages * KIB_PER_PAGE).padStart(8);
}
