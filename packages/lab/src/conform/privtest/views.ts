import {
  LEAF_SHIFT,
  type Machine,
  type MmStruct,
  N_MEMORY,
  N_MEMORY_PRIVATE,
  N_ONLINE,
  PG_anon,
  PG_buddy,
  PG_hwpoison,
  PG_lru,
  PG_mlocked,
  PG_swapcache,
  type Pgdat,
  PMD_HUGE,
  PTE_PROTNONE,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_SWAP,
  PTE_WRITE,
  pteMapsPage,
  pteType,
  type Zone,
} from '@mm-lab/mm-core';
import type { NodePrivate } from '@mm-lab/node-private';

/** What the driver says of a node (command `info`). */
export function infoText(machine: Machine, nodePrivate: NodePrivate, nid: number): string {
  const { nodes } = machine;
  const pgdat = nodes.pgdats[nid];
  const owner = nodePrivate.ownerOfNode(nid);
  const kswapd = pgdat?.kswapd.running ?? false;
  const fields = [
    `online=${bit(nodes.hasState(nid, N_ONLINE))}`,
    `memory=${bit(nodes.hasState(nid, N_MEMORY))}`,
    `private_state=${bit(nodes.hasState(nid, N_MEMORY_PRIVATE))}`,
    `private=${bit(pgdat?.private ?? false)}`,
    `np=${bit(owner !== null)}`,
    `ops=${bit(nodePrivate.opsOf(nid) !== null)}`,
    `flags=0x${nodePrivate.node_private_flags(nid).toString(16)}`,
    `refs=${nodePrivate.refsOf(nid)}`,
    `blocked=${bit(owner?.migrationBlocked ?? false)}`,
    `kswapd=${bit(kswapd)}`,
    `kcompactd=${bit(nodes.hasState(nid, N_MEMORY))}`,
    `present=${pgdat?.zones.reduce((sum, zone) => sum + zone.presentPages, 0) ?? 0}`,
  ];
  const zone = pgdat?.zones.find((candidate) => candidate.managedPages > 0);
  if (zone === undefined) return fields.join(' ');
  const { name, managedPages, watermarkBoost } = zone;
  return [...fields, `zone=${name}`, `managed=${managedPages}`, `boost=${watermarkBoost}`].join(
    ' ',
  );
}

/** Both zonelists of a node as nodes. */
export function zonelistText(pgdat: Pgdat): string {
  const nids = (zones: readonly Zone[]): string => [...new Set(zones.map(({ nid }) => nid))].join();
  return `fallback=[${nids(pgdat.fallback)}] nofallback=[${nids(pgdat.nofallback)}]`;
}

/** What the driver finds in a node's frames (command `pages`). */
export function pagesText(machine: Machine, nid: number, hasLeftovers: boolean): string {
  const { table, nodes } = machine;
  const sums = { used: 0, anon: 0, file: 0, lru: 0, mlocked: 0, swapcache: 0, poison: 0 };
  let stale = false;
  for (const zone of nodes.pgdat(nid).zones) {
    for (let pfn = zone.base; pfn < zone.base + zone.spannedPages; pfn++) {
      if (!nodes.isValid(pfn)) continue;
      const folio = table.head(pfn);
      const has = (flag: number): boolean => table.has(folio, flag);
      if (table.refcount[folio]! === 0 || has(PG_buddy)) {
        stale ||= hasLeftovers || table.key[pfn] !== 0;
        continue;
      }
      const poisoned = table.has(pfn, PG_hwpoison);
      sums.used++;
      sums.anon += bit(has(PG_anon));
      sums.file += bit(!has(PG_anon) && machine.pageCache.has(folio));
      sums.lru += bit(has(PG_lru));
      sums.mlocked += bit(has(PG_mlocked));
      sums.swapcache += bit(has(PG_swapcache));
      sums.poison += bit(poisoned);
    }
  }
  const counts = Object.entries(sums).map(([name, count]) => `${name}=${count}`);
  return `${counts.join(' ')} free_nonzero=${stale ? 'yes' : 'no'}`;
}

/** The entries of some pages of an address space as runs (command `walk`). */
export function walkText(machine: Machine, mm: MmStruct, vpn: number, pages: number): string {
  const runs: { readonly word: string; count: number }[] = [];
  for (let at = vpn; at < vpn + pages; at++) {
    const word = entryWord(machine, mm, at);
    const last = runs.at(-1);
    if (last?.word === word) last.count++;
    else runs.push({ word, count: 1 });
  }
  return runs.map(({ word, count }) => `${word}*${count}`).join();
}

function entryWord(machine: Machine, mm: MmStruct, vpn: number): string {
  const { ptes, table, nodes } = machine;
  const slot = ptes.find(mm.id, vpn);
  const bits = slot < 0 ? 0 : ptes.bits[slot]!;
  if (!pteMapsPage(bits)) return absentWord(bits);
  const pfn = ptes.value[slot]!;
  const huge = ptes.pmd[slot >> LEAF_SHIFT] === PMD_HUGE ? 'H' : '';
  const access = (bits & PTE_WRITE) !== 0 ? 'w' : 'r';
  const hint = (bits & PTE_PROTNONE) !== 0 ? 'n' : '';
  const locked = table.has(table.head(pfn), PG_mlocked) ? 'L' : '';
  return `${huge}${nodes.nidOf(pfn)}${access}${hint}${locked}`;
}

function absentWord(bits: number): string {
  if (bits === 0) return 'none';
  const type = pteType(bits);
  if (type === PTE_TYPE_SWAP) return 'swap';
  return type === PTE_TYPE_HWPOISON ? 'hwp' : 'other';
}

function bit(value: boolean): 0 | 1 {
  return value ? 1 : 0;
}
