import { PTE_SPECIAL, PTE_UNADDRESSABLE, pteMapsPage } from '../abi/pte.js';
import { VMSTAT_NAMES } from '../abi/vmstat.js';
import type { Services } from '../base/di.js';
import { VERSION_LOST } from '../mem/folio-table.js';
import type { Machine } from './machine.js';

/** Every figure of a machine by dotted name. */
export function collectStats(machine: Machine, services: Services): Record<string, number> {
  const { engine, migrate, counters, clock } = machine;
  const { counts, latency, shadow } = engine;
  const stats: Record<string, number> = {
    'sim.accesses': counts.hits + counts.faulted,
    'sim.ns': clock.now,
    'actor.ns': machine.work.actorNs,
    'access.hits': counts.hits,
    'access.faulted': counts.faulted,
    'access.ns.mean': latency.mean(),
    'access.ns.p50': latency.percentile(0.5),
    'access.ns.p99': latency.percentile(0.99),
    'access.ns.p999': latency.percentile(0.999),
    'fault.minor': counts.minor,
    'fault.major': counts.major,
    'fault.failed': counts.failed,
    'fault.write_protect': machine.memory.writeProtectFaults,
    'migrate.promoted': migrate.promoted,
    'migrate.demoted': migrate.demoted,
    'swap.in': counters.read('pswpin') + counters.read('swpin_zero'),
    'swap.out': counters.read('pswpout') + counters.read('swpout_zero'),
    'device.logical_pages.peak': 0,
    'device.physical_bytes.peak': 0,
    'device.physical_bytes.capacity': 0,
    'device.overflow_events': 0,
    'integrity.reads_checked': shadow.counts.readsChecked,
    'integrity.compares': shadow.counts.compares,
    'integrity.lost_pages': shadow.counts.lostPages,
    'integrity.lost_unread_pages': lostUnreadPages(machine),
    'integrity.stale_reads': shadow.counts.staleReads,
    'integrity.leaked_pages': shadow.counts.leakedPages,
    'isolation.leaked_allocations': machine.zoneAlloc.leakedAllocations,
    'memory.saved_bytes.mean': 0,
    'memory.poisoned_pages': machine.memoryFailure.poisoned.size,
  };
  addNodes(machine, stats);
  merge(stats, machine.swapBackend.stats());
  merge(stats, machine.zswap.stats());
  for (const plugin of machine.plugins) merge(stats, plugin.stats?.(services) ?? {});
  for (const name of VMSTAT_NAMES) stats[`vmstat.${name}`] = counters.read(name);
  return stats;
}

/**
 * Mapped pages whose contents are lost and whom nobody has read since: the shadow of one that was
 * read expects nothing any more. Pages in swap are not looked at.
 */
function lostUnreadPages({ mms, ptes, table }: Machine): number {
  const lost = new Set<number>();
  for (const mm of mms.all()) {
    ptes.walk(mm.id, 0, Infinity, (slot) => {
      const bits = ptes.bits[slot]!;
      if (!pteMapsPage(bits) && (bits & PTE_UNADDRESSABLE) === 0) return;
      if ((bits & PTE_SPECIAL) !== 0 || ptes.shadow[slot]! <= 0) return;
      const pfn = ptes.value[slot]!;
      if (table.version[pfn] === VERSION_LOST) lost.add(pfn);
    });
  }
  return lost.size;
}

function addNodes(machine: Machine, stats: Record<string, number>): void {
  for (const pgdat of machine.nodes.all()) {
    stats[`node.${pgdat.nid}.managed_pages`] = pgdat.managedPages();
    stats[`node.${pgdat.nid}.used_pages`] = machine.usedPages(pgdat.nid);
  }
}

function merge(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(from)) into[name] = (into[name] ?? 0) + value;
}
