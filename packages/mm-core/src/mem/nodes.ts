import { N_CPU, N_MEMORY, N_MEMORY_PRIVATE, NR_NODE_STATES } from '../abi/node-states.js';
import { MAX_NUMNODES, MAX_PAGE_ORDER, ZONE_NORMAL } from '../abi/zone.js';
import { assert, defined } from '../base/assert.js';
import { createToken } from '../base/di.js';
import type { FolioTable } from './folio-table.js';
import type { Pgdat } from './pgdat.js';
import { Zone } from './zone.js';

/** Every node and zone of the machine, and which node is in which state. */
export class Nodes {
  /** By node id; null where there is no such node. */
  readonly pgdats: (Pgdat | null)[] = new Array<Pgdat | null>(MAX_NUMNODES).fill(null);
  readonly zones: Zone[] = [];
  private readonly states: Set<number>[] = Array.from({ length: NR_NODE_STATES }, () => new Set());

  constructor(private readonly table: FolioTable) {}

  /** NODE_DATA(nid); the node must exist. */
  pgdat(nid: number): Pgdat {
    return defined(this.pgdats[nid], `node ${nid} exists`);
  }

  exists(nid: number): boolean {
    return this.pgdats[nid] != null;
  }

  /** The zone of a type on a node; it comes to be, empty, when it is first asked for. */
  zone(nid: number, type: number): Zone {
    const { zones } = this.pgdat(nid);
    const known = zones.find((zone) => zone.type === type);
    if (known !== undefined) return known;
    const made = new Zone(this.zones.length, nid, type, 0, 0);
    this.zones.push(made);
    zones.push(made);
    zones.sort((a, b) => a.type - b.type);
    return made;
  }

  /** Pages become the zone's (move_pfn_range_to_zone, resize_zone_range). */
  growZone(zone: Zone, base: number, pages: number): void {
    const isEmpty = zone.spannedPages === 0;
    const end = isEmpty ? base + pages : Math.max(zone.base + zone.spannedPages, base + pages);
    zone.base = isEmpty ? base : Math.min(zone.base, base);
    zone.spannedPages = end - zone.base;
    const last = base + pages - 1;
    this.table.zoneOfBlock.fill(
      zone.index + 1,
      base >> MAX_PAGE_ORDER,
      (last >> MAX_PAGE_ORDER) + 1,
    );
  }

  /** Pages are no longer the zone's; its span ends where its pages end (shrink_zone_span). */
  shrinkZone(zone: Zone, base: number, pages: number): void {
    const blocks = this.table.zoneOfBlock;
    blocks.fill(0, base >> MAX_PAGE_ORDER, ((base + pages - 1) >> MAX_PAGE_ORDER) + 1);
    const own = (pfn: number): boolean => blocks[pfn >> MAX_PAGE_ORDER] === zone.index + 1;
    let start = zone.base;
    let end = zone.base + zone.spannedPages;
    while (start < end && !own(start)) start = ((start >> MAX_PAGE_ORDER) + 1) << MAX_PAGE_ORDER;
    while (start < end && !own(end - 1)) end = ((end - 1) >> MAX_PAGE_ORDER) << MAX_PAGE_ORDER;
    zone.base = start;
    zone.spannedPages = Math.max(0, end - start);
  }

  /** Zone of a page (page_zone). */
  zoneOf(pfn: number): Zone {
    return defined(
      this.zones[this.table.zoneOfBlock[pfn >> MAX_PAGE_ORDER]! - 1],
      'the page belongs to a zone',
    );
  }

  /** Is there such a page (pfn_valid)? */
  isValid(pfn: number): boolean {
    if (pfn < 0 || pfn >= this.table.pages) return false;
    const zone = this.zones[this.table.zoneOfBlock[pfn >> MAX_PAGE_ORDER]! - 1];
    return zone !== undefined && pfn >= zone.base && pfn < zone.base + zone.spannedPages;
  }

  /** Node of a page (page_to_nid). */
  nidOf(pfn: number): number {
    return this.zoneOf(pfn).nid;
  }

  hasState(nid: number, state: number): boolean {
    return defined(this.states[state], 'a node state').has(nid);
  }

  setState(nid: number, state: number): void {
    const other = state === N_MEMORY ? N_MEMORY_PRIVATE : N_MEMORY;
    if (state === N_MEMORY || state === N_MEMORY_PRIVATE) {
      assert(!this.hasState(nid, other), 'N_MEMORY and N_MEMORY_PRIVATE exclude each other');
    }
    defined(this.states[state], 'a node state').add(nid);
  }

  clearState(nid: number, state: number): void {
    defined(this.states[state], 'a node state').delete(nid);
  }

  /** Ids of the nodes in a state, ascending. */
  inState(state: number): number[] {
    return [...defined(this.states[state], 'a node state')].sort((a, b) => a - b);
  }

  /** Number of nodes in a state (num_node_state). */
  count(state: number): number {
    return defined(this.states[state], 'a node state').size;
  }

  /** All nodes, ascending. */
  *all(): IterableIterator<Pgdat> {
    for (const pgdat of this.pgdats) if (pgdat !== null) yield pgdat;
  }

  /** Has the node memory that the kernel may use (N_NORMAL_MEMORY)? */
  hasNormalMemory(nid: number): boolean {
    const zones = this.pgdat(nid).zones;
    return zones.some((zone) => zone.type <= ZONE_NORMAL && zone.managedPages > 0);
  }

  hasCpu(nid: number): boolean {
    return this.hasState(nid, N_CPU);
  }

  /** Node of a CPU, unknown ones on the last; numbered along the nodes (cpu_to_node). */
  nidOfCpu(cpu: number): number {
    let left = cpu;
    let last = 0;
    for (const pgdat of this.all()) {
      if (pgdat.cpus === 0) continue;
      if (left < pgdat.cpus) return pgdat.nid;
      left -= pgdat.cpus;
      last = pgdat.nid;
    }
    return last;
  }

  /** CPUs of the machine, numbered from 0. */
  cpuCount(): number {
    let count = 0;
    for (const { cpus } of this.all()) count += cpus;
    return count;
  }

  /** First CPU of a node; 0 if it has none. */
  firstCpuOf(nid: number): number {
    let cpu = 0;
    for (const pgdat of this.all()) {
      if (pgdat.nid === nid) return pgdat.cpus > 0 ? cpu : 0;
      cpu += pgdat.cpus;
    }
    return 0;
  }

  distance(from: number, to: number): number {
    return defined(this.pgdat(from).distances[to], 'a distance for each pair of nodes');
  }
}
export const NodesToken = createToken<Nodes>('Nodes');
