import { N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import {
  PG_anon,
  PG_anon_exclusive,
  PG_batched,
  PG_buddy,
  PG_dirty,
  PG_hugetlb,
  PG_isolated,
  PG_pinned,
  PG_reserved,
  PG_swapcache,
  PG_tail,
} from '../abi/page-flags.js';
import {
  isMigrationType,
  PTE_NODE_MASK,
  PTE_NODE_SHIFT,
  PTE_SPECIAL,
  PTE_TYPE_PLUGIN_FIRST,
  PTE_TYPE_SWAP,
  PTE_UFFD_WP,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { AssertionError, assert } from '../base/assert.js';
import type { Zone } from '../mem/zone.js';
import type { Machine } from './machine.js';
import { verifyLru } from './verify-lru.js';
import { verifyMemcg } from './verify-memcg.js';
import { verifyDeferredSplit, verifyPmds } from './verify-pmd.js';
import { verifyPolicies } from './verify-policy.js';
import { verifyZone } from './verify-zone.js';

const PGALLOC = ['pgalloc_dma', 'pgalloc_dma32', 'pgalloc_normal', 'pgalloc_movable'] as const;

/** What the page tables of a machine hold, recounted: by page, and by swap slot. */
interface Recount {
  readonly mapcount: Uint32Array;
  readonly rmap: Uint32Array;
  readonly swap: Map<number, number>;
}

/**
 * Rechecks a machine from scratch: buddy conservation, lists and page blocks, mapcounts,
 * references, reverse map, rss, swap slots, charges of groups, exclusive pages, policies,
 * allocations against frees.
 * What it does not check: contents (the shadow memory does), times, and write fences, which RFC v4
 * has holes in. A message for each entry or page is made only when it is needed: long programs are
 * verified after every step.
 */
export function verifyMachine(machine: Machine): void {
  const { nodes } = machine;
  for (const zone of nodes.zones) verifyZone(machine.table, zone);
  for (const nid of nodes.inState(N_MEMORY)) {
    assert(!nodes.hasState(nid, N_MEMORY_PRIVATE), `node ${nid} is in one memory state`);
  }
  const recount = recountEntries(machine);
  verifyLru(machine);
  verifyFolios(machine, recount);
  verifySwap(machine, recount);
  verifyFiles(machine);
  verifyPolicies(machine);
  verifyAllocations(machine);
}

function recountEntries(machine: Machine): Recount {
  const pages = machine.table.flags.length;
  const [mapcount, rmap] = [new Uint32Array(pages), new Uint32Array(pages)];
  const recount: Recount = { mapcount, rmap, swap: new Map() };
  for (const mm of machine.mms.all()) {
    let rss = 0;
    let pool = 0;
    let swapents = 0;
    machine.ptes.walk(mm.id, 0, Infinity, (slot, vpn) => {
      const bits = machine.ptes.bits[slot]!;
      if (mm.find(vpn) === null) {
        throw new AssertionError(`entry of page ${vpn} of mm ${mm.id} lies in a vma`);
      }
      if (countEntry(machine, slot, bits, recount)) {
        if (isPoolPage(machine, slot)) pool++;
        else rss++;
      }
      if (!pteMapsPage(bits) && pteType(bits) === PTE_TYPE_SWAP) swapents++;
    });
    verifyPmds(machine, mm);
    assert(rss === mm.rss, `mm ${mm.id}: rss ${mm.rss} equals a recount (${rss})`);
    assert(pool === mm.hugetlbPages, `mm ${mm.id}: pages of the pool equal a recount (${pool})`);
    assert(swapents === mm.swapents, `mm ${mm.id}: swapents equal a recount (${swapents})`);
  }
  return recount;
}

/** Pages of the hugetlb pool count apart. */
function isPoolPage({ table, ptes }: Machine, slot: number): boolean {
  return table.has(table.head(ptes.value[slot]!), PG_hugetlb);
}

/** @returns does the entry count as resident? */
function countEntry(machine: Machine, slot: number, bits: number, recount: Recount): boolean {
  const value = machine.ptes.value[slot]!;
  const both = PTE_WRITE | PTE_UFFD_WP;
  assert((bits & both) !== both, 'what a userfaultfd protects is not writable');
  if (pteMapsPage(bits)) {
    if ((bits & PTE_SPECIAL) !== 0) {
      assert((bits & PTE_WRITE) === 0, 'the zero page is never writable');
      return false;
    }
    const nid = (bits & PTE_NODE_MASK) >>> PTE_NODE_SHIFT;
    if (nid !== machine.nodes.nidOf(value)) {
      throw new AssertionError(`entry of page ${value} names its node`);
    }
    verifyExclusive(machine, value, bits);
    recountPage(recount.mapcount, value);
    recountPage(recount.rmap, value);
    return true;
  }
  const type = pteType(bits);
  if ((bits & PTE_UNADDRESSABLE) !== 0) {
    if (type < PTE_TYPE_PLUGIN_FIRST) {
      throw new AssertionError(`entry of page ${value} has a plugin's type`);
    }
    recountPage(recount.mapcount, value);
    recountPage(recount.rmap, value);
    return true;
  }
  if (isMigrationType(type)) {
    recountPage(recount.rmap, value);
    return true;
  }
  if (type === PTE_TYPE_SWAP) bump(recount.swap, value);
  return false;
}

/** A page is stored to through its only mapping (PG_anon_exclusive). */
function verifyExclusive({ table, rmap }: Machine, pfn: number, bits: number): void {
  const exclusive = table.has(pfn, PG_anon_exclusive);
  const anon = table.has(table.head(pfn), PG_anon);
  if (exclusive) {
    if (!anon) throw new AssertionError(`page ${pfn} of a file is exclusive to nobody`);
    if (rmap.count(pfn) !== 1) throw new AssertionError(`exclusive page ${pfn} has one mapping`);
  } else if (anon && (bits & PTE_WRITE) !== 0) {
    throw new AssertionError(`writable page ${pfn} is exclusive`);
  }
}

/**
 * pgalloc - pgfree = pages in use, but for free pages that poison took off the lists: nobody counts
 * those.
 */
function verifyAllocations(machine: Machine): void {
  const { counters, nodes, memoryFailure, blocks } = machine;
  let out = machine.compactZone.takenPages - counters.read('pgfree');
  for (const name of PGALLOC) out += counters.read(name);
  let used = blocks.pagesGone;
  for (const zone of nodes.zones) {
    used += zone.managedPages - zone.kernelPages - zone.unusedPages - zone.isolatedFree;
  }
  const balanced = out <= used && used - out <= memoryFailure.poisoned.size;
  assert(balanced, `pgalloc - pgfree is ${out}, pages in use are ${used}`);
}

/** Every page that is not free: its counts against the recount. */
function verifyFolios(machine: Machine, recount: Recount): void {
  const { table, rmap } = machine;
  const held = machine.folios.heldOutside();
  const batched = new Set([...machine.folios.batched().values()].flat());
  const charged = new Map<number, number>();
  for (let pfn = 0; pfn < recount.rmap.length; pfn++) {
    if (recount.rmap[pfn] === 0 || table.refcount[table.head(pfn)]! > 0) continue;
    throw new AssertionError(`page ${pfn} named by an entry is in use`);
  }
  for (const zone of machine.nodes.zones) {
    for (const pfn of allocatedPages(machine, zone)) {
      const mapped = recount.mapcount[pfn]!;
      if (table.mapcount[pfn] !== mapped) {
        throw new AssertionError(`page ${pfn}: mapcount equals a recount (${mapped})`);
      }
      if (rmap.count(pfn) !== recount.rmap[pfn]) {
        throw new AssertionError(`page ${pfn}: the reverse map is exact`);
      }
      if (table.has(pfn, PG_tail)) continue;
      if (batched.has(pfn) !== table.has(pfn, PG_batched)) {
        throw new AssertionError(`folio ${pfn}: batch and flag agree`);
      }
      verifyDeferredSplit(machine, pfn);
      verifyReferences(machine, pfn, held.get(pfn) ?? 0);
      const memcg = table.memcg[pfn]!;
      if (memcg !== 0) charged.set(memcg, (charged.get(memcg) ?? 0) + table.nrPages(pfn));
    }
  }
  verifyMemcg(machine, charged);
}

/**
 * References = mappings + swap cache + batch + isolation + pin + declared holders; every allocated
 * folio has one.
 */
function verifyReferences(machine: Machine, folio: number, heldOutside: number): void {
  const { table } = machine;
  const count = table.refcount[folio]!;
  const pins = machine.gup.pinCount(folio);
  if (pins > 0 !== table.has(folio, PG_pinned)) {
    throw new AssertionError(`folio ${folio}: pins and flag agree`);
  }
  const known =
    table.folioMapcount(folio) +
    bit(table.has(folio, PG_swapcache)) +
    bit(table.has(folio, PG_batched)) +
    bit(table.has(folio, PG_isolated)) +
    pins +
    heldOutside;
  if (count !== known) {
    throw new AssertionError(`folio ${folio}: ${count} references, ${known} holders`);
  }
  if (count <= 0) throw new AssertionError(`folio ${folio} is allocated and has a reference`);
}

/** Pages in use; a zone that the buddy allocator has nothing of may be used by a plugin's own. */
function* allocatedPages(machine: Machine, zone: Zone): IterableIterator<number> {
  const { table } = machine;
  const end = zone.base + zone.spannedPages;
  if (zone.managedPages === 0) {
    for (let pfn = zone.base; pfn < end; pfn++) if (table.refcount[pfn]! > 0) yield pfn;
    return;
  }
  for (let pfn = zone.base; pfn < end; ) {
    if (pfn >= zone.untouchedStart && pfn < zone.untouchedEnd) {
      pfn = zone.untouchedEnd;
    } else if ((table.flags[pfn]! & PG_buddy) !== 0) {
      pfn += 1 << table.order[pfn]!;
    } else if ((table.flags[pfn]! & PG_reserved) !== 0) {
      pfn++;
    } else {
      yield pfn++;
    }
  }
}

function verifySwap(machine: Machine, recount: Recount): void {
  let used = 0;
  for (const file of machine.files.all()) {
    for (const entry of file.swapped.values()) bump(recount.swap, entry);
  }
  const zswapped = machine.zswap.verify();
  for (const { slot, entries, folio, isHeld } of machine.swap.inUse()) {
    used++;
    const named = recount.swap.get(slot) ?? 0;
    assert(entries === named, `swap slot ${slot}: ${entries} entries, ${named} recounted`);
    const isOnlyCached = folio >= 0 && machine.table.has(folio, PG_dirty);
    assert(isHeld || isOnlyCached, `the page of swap slot ${slot} is somewhere`);
    assert(folio < 0 || !machine.zswap.has(slot), `slot ${slot} in zswap is not in memory too`);
    if (folio < 0) continue;
    assert(machine.table.has(folio, PG_swapcache), `folio ${folio} knows its swap slot`);
    assert(machine.swap.slotOf(folio) === slot, `folio ${folio} and slot ${slot} know each other`);
  }
  assert(used === machine.swap.used(), 'used swap slots equal a recount');
  for (const slot of zswapped) {
    const isNamed = machine.swap.entryCount(slot) > 0;
    assert(isNamed, `swap slot ${slot} with a page in zswap is in use`);
  }
  for (const slot of recount.swap.keys()) {
    assert(machine.swap.entryCount(slot) > 0, `swap slot ${slot} named by an entry is in use`);
  }
}

/** The page cache and its folios know each other; no page is both cached and in swap. */
function verifyFiles({ files, pageCache, table }: Machine): void {
  let cached = 0;
  for (const file of files.all()) {
    for (const [index, pfn] of file.pages) {
      cached++;
      const place = pageCache.placeOf(pfn);
      const known = place?.file === file && place.index === index;
      assert(known, `page ${pfn} knows it is page ${index} of file ${file.ino}`);
      assert(!table.has(pfn, PG_anon), `page ${pfn} of a file is not anonymous`);
      assert(!file.swapped.has(index), `page ${index} of file ${file.ino} is in one place`);
    }
  }
  const held = pageCache.folioList().reduce((sum, folio) => sum + table.nrPages(folio), 0);
  assert(cached === held, 'every cached page belongs to a known file');
}

function recountPage(counts: Uint32Array, pfn: number): void {
  if (pfn < 0 || pfn >= counts.length) throw new AssertionError(`page ${pfn} of an entry exists`);
  counts[pfn]!++;
}

function bump(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function bit(flag: boolean): number {
  return flag ? 1 : 0;
}
