import { VMSTAT_NAMES, type VmstatName } from '../abi/vmstat.js';
import { createToken } from '../base/di.js';
import type { Cgroup } from './cgroup.js';
import type { FolioTable } from './folio-table.js';
import { PageCounter } from './page-counter.js';
import type { MmStruct } from './vma.js';
import { Vmstat } from './vmstat.js';

/** Most groups with charged pages at a time; 0 is the root, which is not charged. */
export const MEMCG_ID_MAX = 127;
/** Pages that a charge takes in advance while the limit allows it (include/linux/memcontrol.h). */
export const MEMCG_CHARGE_BATCH = 64;

/** Counted events of a group (enum memcg_memory_event), in the order of memory.events. */
export interface MemcgEvents {
  low: number;
  high: number;
  max: number;
  oom: number;
  oom_kill: number;
  oom_group_kill: number;
}

/** Counted events of memory.swap.events. */
export interface MemcgSwapEvents {
  high: number;
  max: number;
  fail: number;
}

/** Zswap of a group, without those below it. */
export interface MemcgZswap {
  /** memory.zswap.max in pages; for the hierarchy. */
  max: number;
  /** memory.zswap.writeback: may its pages go on to the device? */
  writeback: boolean;
  /** Compressed bytes, the pages they stand for, and those of them that did not shrink. */
  bytes: number;
  pages: number;
  incompressible: number;
  /** Pages charged for the bytes, part of `kernelPages`. */
  charged: number;
}

/** What the memory controller knows of a group (struct mem_cgroup). */
export class MemCgroup {
  /** Sum of this group and those below it. */
  readonly memory: PageCounter;
  readonly swap: PageCounter;
  /** Pages of `memory` charged in advance (memcg_stock_pcp; one stock instead of each CPU's). */
  stock = 0;
  /** Pages charged above `high` since the task last went back to user mode. */
  overHigh = 0;
  /** Kernel memory: page tables and the like, part of `memory`. */
  kernelPages = 0;
  /** Pages in zswap: what this group allows, and what its own take. */
  readonly zswap: MemcgZswap = noZswap();
  /** memory.oom.group: all tasks die together. */
  oomGroup = false;
  /** False from rmdir on: what is left is reclaimed without mercy. */
  online = true;
  readonly events: MemcgEvents = noEvents();
  readonly eventsLocal: MemcgEvents = noEvents();
  readonly swapEvents: MemcgSwapEvents = { high: 0, max: 0, fail: 0 };
  /** Groups right below that have memory state of their own. */
  readonly children: MemCgroup[] = [];
  /** Where a partial walk of this group's hierarchy stopped, by node (mem_cgroup_iter). */
  readonly walkedTo = new Map<number, number>();
  private readonly vm = new Float64Array(VMSTAT_NAMES.length);

  constructor(
    readonly id: number,
    readonly group: Cgroup,
    readonly parent: MemCgroup | null,
  ) {
    this.memory = new PageCounter(parent?.memory ?? null);
    this.swap = new PageCounter(parent?.swap ?? null);
    parent?.children.push(this);
  }

  /** An event of this group; its parents count it too (__memcg_memory_event). */
  event(name: keyof MemcgEvents): void {
    this.eventsLocal[name]++;
    for (let at: MemCgroup | null = this; at !== null; at = at.parent) at.events[name]++;
  }

  /** Counts a vmstat event here and in all above (count_memcg_events). */
  count(index: number, by: number): void {
    for (let at: MemCgroup | null = this; at !== null; at = at.parent) at.vm[index]! += by;
  }

  /** A vmstat event of the hierarchy. */
  read(name: VmstatName): number {
    return this.vm[Vmstat.index(name)]!;
  }

  /** Is `other` this group or below it (mem_cgroup_is_descendant)? */
  holds(other: MemCgroup): boolean {
    for (let at: MemCgroup | null = other; at !== null; at = at.parent)
      if (at === this) return true;
    return false;
  }

  /** Pages that may still be charged (mem_cgroup_margin). */
  margin(): number {
    return Math.max(0, this.memory.max - this.memory.usage);
  }

  /** Zswap of the hierarchy, added up. */
  zswapTotal(): Pick<MemcgZswap, 'bytes' | 'pages' | 'incompressible'> {
    const total = { bytes: 0, pages: 0, incompressible: 0 };
    const groups: MemCgroup[] = [this];
    for (const { zswap, children } of groups) {
      total.bytes += zswap.bytes;
      total.pages += zswap.pages;
      total.incompressible += zswap.incompressible;
      groups.push(...children);
    }
    return total;
  }

  /** Gives the stock back (drain_stock). */
  drainStock(): void {
    this.memory.uncharge(this.stock);
    this.stock = 0;
  }
}

/**
 * Which group each folio is charged to (folio_memcg), by the column `FolioTable.memcg`, and the
 * groups by their ids. An id is used again when the group is gone and no page names it.
 *
 * Invariant: `memory.usage` of a group = pages of folios that name it or a group below + kernel
 * pages + stocks of the same.
 */
export class MemCgroups {
  private readonly byId: (MemCgroup | undefined)[] = [];
  private readonly byGroup = new Map<Cgroup, MemCgroup>();

  constructor(
    private readonly table: FolioTable,
    rootGroup: Cgroup,
  ) {
    const root = new MemCgroup(0, rootGroup, null);
    this.byId[0] = root;
    this.byGroup.set(rootGroup, root);
  }

  get root(): MemCgroup {
    return this.get(0);
  }

  /** Makes a group's memory state; null when there is no id left. */
  create(group: Cgroup, parent: MemCgroup): MemCgroup | null {
    for (let id = 1; id <= MEMCG_ID_MAX; id++) {
      const at = this.byId[id];
      const free = at === undefined || (!at.online && at.memory.usage === 0 && at.swap.usage === 0);
      if (!free) continue;
      if (at !== undefined) this.forget(at);
      const made = new MemCgroup(id, group, parent);
      this.byId[id] = made;
      this.byGroup.set(group, made);
      return made;
    }
    return null;
  }

  get(id: number): MemCgroup {
    return this.byId[id] ?? this.root;
  }

  /** Is there a group with this id, if only because something is charged to it yet? */
  exists(id: number): boolean {
    return this.byId[id] !== undefined;
  }

  /** The memory state of a group, or of the nearest above that has one. */
  ofGroup(group: Cgroup | null): MemCgroup {
    if (group === null) return this.root;
    return this.byGroup.get(group.effective('memory')) ?? this.root;
  }

  /** The group that an address space's new pages are charged to (get_mem_cgroup_from_mm). */
  ofMm(mm: MmStruct): MemCgroup {
    return this.ofGroup(mm.ownerTask?.cgroup ?? null);
  }

  /** `top` and the groups below it, parents first (mem_cgroup_iter); those that go are here yet. */
  below(top: MemCgroup): MemCgroup[] {
    const found: MemCgroup[] = [top];
    for (const memcg of found) found.push(...memcg.children);
    return found;
  }

  /** Every group, the root first; for checks. */
  all(): MemCgroup[] {
    return this.byId.filter((memcg) => memcg !== undefined);
  }

  /** The group that a folio is charged to. */
  of(folio: number): MemCgroup {
    return this.get(this.table.memcg[folio]!);
  }

  /** Nothing names the group any more. */
  private forget(memcg: MemCgroup): void {
    const siblings = memcg.parent?.children ?? [];
    siblings.splice(siblings.indexOf(memcg), 1);
    this.byGroup.delete(memcg.group);
  }

  /** Counts a vmstat event of a folio in its group (count_memcg_folio_events). */
  countFolio(folio: number, index: number, by: number): void {
    const id = this.table.memcg[folio]!;
    if (id !== 0) this.get(id).count(index, by);
  }

  /** Counts a vmstat event of an address space in its group (count_memcg_events_mm). */
  countMm(mm: MmStruct, index: number, by: number): void {
    const group = mm.ownerTask?.cgroup ?? null;
    if (group !== null) this.ofGroup(group).count(index, by);
  }

  /** The charge of a folio is paid: from now on it names the group (commit_charge). */
  commit(folio: number, memcg: MemCgroup): void {
    this.table.memcg[folio] = memcg.id;
  }

  /** A folio that goes gives its charge back (mem_cgroup_uncharge). */
  uncharge(folio: number): void {
    const id = this.table.memcg[folio]!;
    if (id === 0) return;
    this.get(id).memory.uncharge(this.table.nrPages(folio));
    this.table.memcg[folio] = 0;
  }

  /** The charge moves to the folio that takes the other's place (mem_cgroup_migrate). */
  move(from: number, to: number): void {
    this.table.memcg[to] = this.table.memcg[from]!;
    this.table.memcg[from] = 0;
  }
}
export const MemCgroupsToken = createToken<MemCgroups>('MemCgroups');

function noZswap(): MemcgZswap {
  return { max: Infinity, writeback: true, bytes: 0, pages: 0, incompressible: 0, charged: 0 };
}

function noEvents(): MemcgEvents {
  return { low: 0, high: 0, max: 0, oom: 0, oom_kill: 0, oom_group_kill: 0 };
}
