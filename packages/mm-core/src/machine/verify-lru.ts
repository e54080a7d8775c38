import { PG_lru, PG_unevictable } from '../abi/page-flags.js';
import { AssertionError, assert } from '../base/assert.js';
import type { LruLists } from '../mem/lru.js';
import { lruOf } from '../mem/lru.js';
import {
  ANON_AND_FILE,
  LISTS_PER_LRUVEC,
  type Lruvec,
  NR_LRU_LISTS,
  typeOf,
} from '../mem/lruvec.js';
import type { Machine } from './machine.js';

/** Rechecks the LRU lists of every control group on every node against what folios say. */
export function verifyLru(machine: Machine): void {
  for (const lruvec of machine.lru.all()) {
    const sizes = new Array<number>(LISTS_PER_LRUVEC).fill(0);
    for (let list = 0; list < LISTS_PER_LRUVEC; list++) {
      for (const folio of machine.lru.walkList(lruvec.listBase + list)) {
        verifyFolio(machine, lruvec, list, folio);
        sizes[countedIn(machine, folio)]! += machine.table.nrPages(folio);
      }
    }
    verifySizes(machine.lru, lruvec, sizes);
  }
}

function verifyFolio(machine: Machine, lruvec: Lruvec, list: number, folio: number): void {
  const broken = brokenOf(machine, lruvec, list, folio);
  if (broken !== '') throw new AssertionError(`folio ${folio} ${broken}`);
}

/** @returns what a folio on an LRU list should be and is not, or nothing */
function brokenOf(machine: Machine, lruvec: Lruvec, list: number, folio: number): string {
  const { table, nodes } = machine;
  const flags = table.flags[folio]!;
  if (!table.has(folio, PG_lru)) return 'on an LRU list says so';
  if (nodes.nidOf(folio) !== lruvec.nid) return "is on its node's list";
  if (table.memcg[folio] !== lruvec.memcg) return "is on its group's list";
  if (list < NR_LRU_LISTS) {
    if (lruOf(flags) !== list) return 'is on the list of its flags';
    return table.lruGen[folio] === 0 ? '' : 'on a classic list has no generation';
  }
  if ((flags & PG_unevictable) !== 0) return 'of a generation is evictable';
  if (table.lruGen[folio]! <= 0) return "on a generation's list says its own";
  const isOfType = (list - NR_LRU_LISTS) % ANON_AND_FILE === typeOf(flags);
  return isOfType ? '' : 'is on a list of its type';
}

/** Where a folio is counted: aging may have raised its generation above that of its list. */
function countedIn({ table }: Machine, folio: number): number {
  const flags = table.flags[folio]!;
  const gen = table.lruGen[folio]! - 1;
  return gen < 0 ? lruOf(flags) : NR_LRU_LISTS + gen * ANON_AND_FILE + typeOf(flags);
}

function verifySizes(lru: LruLists, lruvec: Lruvec, sizes: readonly number[]): void {
  const { memcg, nid, genPages } = lruvec;
  const counted = [...lruvec.sizes, ...genPages];
  sizes.forEach((pages, list) => {
    assert(pages === counted[list], `LRU size of group ${memcg} on node ${nid}, list ${list}`);
  });
  const classic = counted.slice(0, NR_LRU_LISTS - 1);
  const wrongKind = lru.lruGenEnabled ? classic : [...genPages];
  assert(
    wrongKind.every((pages) => pages === 0),
    'one kind of LRU lists is in use',
  );
}
