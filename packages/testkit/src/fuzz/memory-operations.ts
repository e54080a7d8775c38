import {
  __GFP_MOVABLE,
  __GFP_NORETRY,
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
  GFP_USER,
  PG_swapcache,
  pteMapsPage,
} from '@mm-lab/mm-core';
import { randomRange } from './address-space-operations.js';
import type { FuzzOperation } from './operation.js';
import { WINDOW_PAGES } from './task-model.js';
import type { FuzzWorld } from './world.js';

/** Share of the machine's memory that the fuzzer's own kernel pages take at most. */
const HELD_SHARE_MAX = 0.2;
/** Less memory than this has nobody to kill when it runs out. */
const MEMORY_LEFT_MIN = 250;
const PINS_MAX = 24;
const POISONINGS_MAX = 48;
const GFPS = [
  GFP_KERNEL,
  GFP_USER,
  GFP_ATOMIC,
  GFP_NOWAIT,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL | __GFP_THISNODE,
  GFP_KERNEL | __GFP_NORETRY,
  GFP_NOWAIT | __GFP_MOVABLE,
] as const;

const touch: FuzzOperation = {
  name: 'touch',
  always: true,
  weight: 8,
  run(world, model) {
    const { start, count } = randomRange(world, model, 256);
    const writes = world.random.pick([0, 0.1, 0.5, 1]);
    const n = world.random.chance(0.8) ? 1 : 1 + world.random.below(2000);
    for (let at = start; at < start + count && model.task.alive; at++) {
      world.access(model, at, world.random.chance(writes), n);
    }
    return `touch(${start}, ${count}, writes ${writes}, n ${n})`;
  },
};

const movePages: FuzzOperation = {
  name: 'movePages',
  run(world, model) {
    const { start, count } = randomRange(world, model, 64);
    const nid = world.random.below(5);
    const vpns = Array.from({ length: count }, (_, at) => model.vpn(start + at));
    const { rc, status } = model.task.movePages(vpns, nid);
    world.expect(rc < 0 || status.length === count, () => 'move_pages tells a status per page');
    return `movePages(${start}, ${count}, node ${nid}) = ${rc}`;
  },
};

const pin: FuzzOperation = {
  name: 'pin',
  run(world, model) {
    if (world.pins.size >= PINS_MAX) return 'enough pins';
    const index = world.random.below(WINDOW_PAGES);
    // A pin does not grow a stack.
    const allowed = model.isMapped(index) && model.allows(index, true);
    const pfn = model.task.pinLongterm(model.vpn(index));
    if (pfn < 0) return `pin(${index}) = ${pfn}`;
    world.expect(allowed, () => `pin(${index}) of a page that may not be written`);
    const { table } = world.machine;
    world.pins.add(table.head(pfn));
    model.pinned.set(index, pfn);
    return `pin(${index}) = ${pfn}`;
  },
};

const unpin: FuzzOperation = {
  name: 'unpin',
  run(world) {
    if (world.pins.size === 0) return 'nothing pinned';
    const folio = world.random.pick([...world.pins]);
    const { table, gup } = world.machine;
    const end = folio + table.nrPages(folio);
    gup.unpin(folio);
    world.pins.delete(folio);
    for (const model of world.models) {
      for (const [index, pfn] of model.pinned) {
        if (pfn >= folio && pfn < end) model.pinned.delete(index);
      }
    }
    return `unpin(${folio})`;
  },
};

const poison: FuzzOperation = {
  name: 'memoryFailure',
  weight: 0.5,
  run(world) {
    if (world.poisonings >= POISONINGS_MAX) return 'enough poison';
    const { machine } = world;
    const pfn = victimFrame(world);
    const hit = world.mappersOf(pfn);
    world.doubtSide(pfn);
    const wasCached = machine.table.has(pfn, PG_swapcache);
    const rc = machine.memoryFailure.memoryFailure(pfn, 0);
    machine.spend();
    if (rc !== 0) return `memoryFailure(${pfn}) = ${rc}`;
    world.poisonings++;
    // A slot whose only good copy was in the frame is lost to those that swapped it out, too.
    const cached = machine.table.has(pfn, PG_swapcache);
    if (wasCached && !cached) return `memoryFailure(${pfn}) of a copy`;
    if (cached) hit.push(...world.swappedTo(machine.swap.slotOf(pfn)));
    for (const { model, index } of hit) model.poisoned[index] = 1;
    return `memoryFailure(${pfn})`;
  },
};

/** A frame that some program maps, or any. */
function victimFrame(world: FuzzWorld): number {
  const { ptes, table } = world.machine;
  const model = world.anyModel();
  const slot = ptes.find(model.task.mm.id, model.vpn(world.random.below(WINDOW_PAGES)));
  const mapped = slot >= 0 && pteMapsPage(ptes.bits[slot]!);
  return mapped ? ptes.value[slot]! : world.random.below(table.pages);
}

const allocate: FuzzOperation = {
  name: 'allocate',
  run(world) {
    const { machine, random } = world;
    const gfp = random.pick(GFPS);
    const order = random.chance(0.6) ? 0 : random.below(6);
    const nodes = machine.memoryNodes();
    const nid = random.pick([...machine.nodes.all()]).nid;
    const nodemask = random.chance(0.2) ? new Set([random.pick(nodes)]) : null;
    const count = 1 + random.below(64);
    let made = 0;
    for (; made < count && heldPages(world) < heldMax(world); made++) {
      const pfn = machine.pageAlloc.alloc({ gfp, order, nid, nodemask });
      if (pfn < 0) break;
      world.held.push(pfn);
    }
    machine.spend();
    return `allocate(gfp ${gfp}, order ${order}, node ${nid}) ${made} of ${count}`;
  },
};

const release: FuzzOperation = {
  name: 'release',
  run(world) {
    const { machine, random } = world;
    const count = Math.min(world.held.length, 1 + random.below(64));
    for (let at = 0; at < count; at++) {
      const [pfn] = world.held.splice(random.below(world.held.length), 1);
      if (pfn !== undefined) machine.folios.put(pfn);
    }
    return `release(${count})`;
  },
};

const hotplug: FuzzOperation = {
  name: 'hotplug',
  weight: 0.5,
  run(world) {
    const { machine, random } = world;
    const pgdat = random.pick([...machine.nodes.all()]);
    if (pgdat.private || machine.managed.nodeOwner(pgdat.nid) !== null)
      return 'not an ordinary node';
    const online = pgdat.managedPages() > 0;
    if (!online && pgdat.spannedPages === 0) return 'nothing to plug';
    if (online && othersPages(world, pgdat.nid) < MEMORY_LEFT_MIN)
      return 'too little would be left';
    const rc = online
      ? machine.hotplug.offlinePages(pgdat.nid)
      : machine.hotplug.onlinePages(pgdat.nid, null);
    machine.spend();
    return `${online ? 'offline' : 'online'}(node ${pgdat.nid}) = ${rc}`;
  },
};

const wait: FuzzOperation = {
  name: 'wait',
  run(world) {
    const ns = Math.floor(10 ** (2 + 6 * world.random.unit()));
    world.machine.clock.advance(ns);
    return `wait(${ns} ns)`;
  },
};

const schedule: FuzzOperation = {
  name: 'schedule',
  run(world, model) {
    model.task.nid = world.random.pick(world.cpuNodes());
    model.task.mm.activeCpus = 1 + world.random.below(4);
    return `schedule(node ${model.task.nid})`;
  },
};

/** Pages of the other nodes with ordinary memory. */
function othersPages(world: FuzzWorld, nid: number): number {
  const { nodes } = world.machine;
  const others = world.machine.memoryNodes().filter((other) => other !== nid);
  return others.reduce((sum, other) => sum + nodes.pgdat(other).managedPages(), 0);
}

function heldPages(world: FuzzWorld): number {
  const { table } = world.machine;
  return world.held.reduce((sum, pfn) => sum + table.nrPages(pfn), 0);
}

function heldMax(world: FuzzWorld): number {
  const { nodes } = world.machine;
  return world.machine
    .memoryNodes()
    .reduce((sum, nid) => sum + nodes.pgdat(nid).managedPages() * HELD_SHARE_MAX, 0);
}

/** What uses, takes and moves memory. */
export const MEMORY_OPERATIONS: readonly FuzzOperation[] = [
  touch,
  movePages,
  pin,
  unpin,
  poison,
  allocate,
  release,
  hotplug,
  wait,
  schedule,
];
