import { N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import {
  PG_active,
  PG_anon,
  PG_dirty,
  PG_lru,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
} from '../abi/page-flags.js';
import type { VmstatName } from '../abi/vmstat.js';
import { PAGE_SIZE, PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { WORKINGSET_NAMES } from '../mem/lruvec.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';

/** Gauges of memory.stat and memory.numa_stat that are counted by node, in the kernel's order. */
const NODE_GAUGES = [
  'anon',
  'file',
  'shmem',
  'file_mapped',
  'file_dirty',
  'file_writeback',
  'swapcached',
  'anon_thp',
  'file_thp',
  'shmem_thp',
  'inactive_anon',
  'active_anon',
  'inactive_file',
  'active_file',
  'unevictable',
] as const;
type NodeGauge = (typeof NODE_GAUGES)[number];

/** Events of memory.stat. */
const EVENTS: readonly VmstatName[] = [
  'pgdemote_kswapd',
  'pgdemote_direct',
  'pgdemote_khugepaged',
  'pgdemote_proactive',
  'pgscan_kswapd',
  'pgscan_direct',
  'pgscan_khugepaged',
  'pgscan_proactive',
  'pgsteal_kswapd',
  'pgsteal_direct',
  'pgsteal_khugepaged',
  'pgsteal_proactive',
  'pgpromote_success',
  'pgfault',
  'pgmajfault',
  'pgrefill',
  'pgactivate',
  'pgdeactivate',
  'pglazyfree',
  'pglazyfreed',
  'pswpin',
  'pswpout',
  'swpin_zero',
  'swpout_zero',
  'zswpin',
  'zswpout',
  'zswpwb',
  'thp_fault_alloc',
  'thp_collapse_alloc',
  'thp_swpout',
  'thp_swpout_fallback',
  'numa_pages_migrated',
  'numa_pte_updates',
  'numa_hint_faults',
];

/** Rows of memory.stat for what this model has none of. */
const NOT_THERE = [
  'kernel_stack',
  'sec_pagetables',
  'percpu',
  'sock',
  'vmalloc',
  'slab_reclaimable',
  'slab_unreclaimable',
  'slab',
];

/**
 * What memory.stat and memory.numa_stat say (mm/memcontrol.c:memory_stat_format). Gauges are
 * counted when somebody asks, by a look at every page of the group and of those below it.
 */
@injectable()
export class MemcgStat {
  private readonly site = Sites.index('memcontrol.memory_numa_stat_show');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** memory.stat: a name and a number on each line, gauges in bytes. */
  stat(memcg: MemCgroup): string {
    const lines: string[] = [];
    const byNode = this.gauges(memcg);
    for (const name of NODE_GAUGES) {
      const pages = [...byNode.values()].reduce((sum, gauges) => sum + gauges[name], 0);
      lines.push(`${name} ${pages * PAGE_SIZE}`);
    }
    lines.push(`kernel ${this.kernelPages(memcg) * PAGE_SIZE}`);
    lines.push(`pagetables ${this.tablePages(memcg) * PAGE_SIZE}`);
    const zswap = memcg.zswapTotal();
    lines.push(`zswap ${zswap.bytes}`, `zswapped ${zswap.pages * PAGE_SIZE}`);
    lines.push(`zswap_incomp ${zswap.incompressible * PAGE_SIZE}`);
    const scan = sumOf(memcg, 'pgscan');
    const steal = sumOf(memcg, 'pgsteal');
    lines.push(`pgscan ${scan}`, `pgsteal ${steal}`);
    for (const name of EVENTS) lines.push(`${name} ${memcg.read(name)}`);
    const lruvecs = this.lru.all().filter((lruvec) => lruvec.memcg === memcg.id);
    WORKINGSET_NAMES.forEach((name, at) => {
      lines.push(`${name} ${lruvecs.reduce((sum, { workingset }) => sum + workingset[at]!, 0)}`);
    });
    lines.push('workingset_nodereclaim 0', ...NOT_THERE.map((name) => `${name} 0`));
    return lines.join('\n');
  }

  /**
   * memory.numa_stat: a name and the bytes on each node with ordinary memory, so that the sums are
   * less than memory.stat says; on private ones too if `numaStatCounted` says so.
   */
  numaStat(memcg: MemCgroup): string {
    const byNode = this.gauges(memcg);
    const apart = this.nodes.inState(N_MEMORY_PRIVATE);
    const shown = this.managed.nodes_in_numa_stat(this.site, apart);
    const nids = [...this.nodes.inState(N_MEMORY), ...shown].sort((a, b) => a - b);
    const row = (name: string, value: (nid: number) => number): string =>
      `${name} ${nids.map((nid) => `N${nid}=${value(nid)}`).join(' ')}`;
    const gauges = NODE_GAUGES.map((name) =>
      row(name, (nid) => (byNode.get(nid)?.[name] ?? 0) * PAGE_SIZE),
    );
    const events = WORKINGSET_NAMES.map((name, at) =>
      row(name, (nid) => this.lru.lruvec(memcg.id, nid).workingset[at]!),
    );
    return [...gauges, ...events, row('workingset_nodereclaim', () => 0)].join('\n');
  }

  /** Kernel memory less what zswap is charged for. */
  private tablePages(memcg: MemCgroup): number {
    const zswap = this.memcgs.below(memcg).reduce((sum, below) => sum + below.zswap.charged, 0);
    return this.kernelPages(memcg) - zswap;
  }

  private kernelPages(memcg: MemCgroup): number {
    return this.memcgs.below(memcg).reduce((sum, below) => sum + below.kernelPages, 0);
  }

  /** mem_cgroup_flush_stats: from now on reclaim itself knows what it cost. */
  private flush(memcg: MemCgroup): void {
    const ids = new Set(this.memcgs.below(memcg).map(({ id }) => id));
    for (const lruvec of this.lru.all()) {
      if (ids.has(lruvec.memcg)) lruvec.flushCost();
    }
  }

  private gauges(memcg: MemCgroup): Map<number, Record<NodeGauge, number>> {
    this.flush(memcg);
    const byNode = new Map<number, Record<NodeGauge, number>>();
    const wanted = new Set(this.memcgs.below(memcg).map(({ id }) => id));
    const isRoot = memcg.parent === null;
    for (let pfn = 0; pfn < this.table.pages; pfn++) {
      const id = this.table.memcg[pfn]!;
      if ((id === 0 && !isRoot) || !wanted.has(id) || this.table.refcount[pfn] === 0) continue;
      const nid = this.nodes.pgdat(this.nodes.nidOf(pfn)).countedNid;
      const known = byNode.get(nid) ?? noGauges();
      byNode.set(nid, known);
      this.addFolio(known, pfn);
    }
    return byNode;
  }

  private addFolio(gauges: Record<NodeGauge, number>, folio: number): void {
    const { table } = this;
    const pages = table.nrPages(folio);
    const has = (flag: number): boolean => table.has(folio, flag);
    let mapped = 0;
    for (let at = folio; at < folio + pages; at++) if (table.mapcount[at]! > 0) mapped++;
    if (has(PG_anon)) {
      gauges.anon += mapped;
      if (this.rmapWalk.isPmdMapped(folio)) gauges.anon_thp += pages;
    } else {
      gauges.file += pages;
      gauges.file_mapped += mapped;
      if (has(PG_swapbacked)) {
        gauges.shmem += pages;
        if (table.order[folio] === PMD_ORDER) gauges.shmem_thp += pages;
      } else if (has(PG_dirty)) {
        gauges.file_dirty += pages;
      }
    }
    if (has(PG_swapcache)) gauges.swapcached += pages;
    if (has(PG_lru)) gauges[this.listName(folio)] += pages;
  }

  private listName(folio: number): NodeGauge {
    const { table } = this;
    if (table.has(folio, PG_unevictable)) return 'unevictable';
    const gen = table.lruGen[folio]! - 1;
    const active = gen < 0 ? table.has(folio, PG_active) : this.lru.of(folio).isActiveGen(gen);
    if (table.has(folio, PG_swapbacked)) return active ? 'active_anon' : 'inactive_anon';
    return active ? 'active_file' : 'inactive_file';
  }
}
export const MemcgStatToken = createToken<MemcgStat>('MemcgStat');

function noGauges(): Record<NodeGauge, number> {
  return {
    anon: 0,
    file: 0,
    shmem: 0,
    file_mapped: 0,
    file_dirty: 0,
    file_writeback: 0,
    swapcached: 0,
    anon_thp: 0,
    file_thp: 0,
    shmem_thp: 0,
    inactive_anon: 0,
    active_anon: 0,
    inactive_file: 0,
    active_file: 0,
    unevictable: 0,
  };
}

function sumOf(memcg: MemCgroup, what: 'pgscan' | 'pgsteal'): number {
  const who = ['kswapd', 'direct', 'khugepaged', 'proactive'] as const;
  return who.reduce((sum, name) => sum + memcg.read(`${what}_${name}`), 0);
}
