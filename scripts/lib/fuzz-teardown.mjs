// Operations of the fuzzer that plug and tear down a driver of a private node at random moments.

import {
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  MemoryTiersToken,
  MigrateToken,
  MmError,
  N_MEMORY,
  N_MEMORY_PRIVATE,
  NodesToken,
  PageAllocToken,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  NodePrivateToken,
  NP_OPS_COMPACTION,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_RECLAIM,
  PrivateHotplugToken,
} from '@mm-lab/node-private';

/** The driver as a plugin that an operation removes and probes again. */
export function replugged(driver) {
  let services = null;
  let bound = false;
  const plugin = {
    ...driver,
    probe(given) {
      services = given;
      driver.probe(given);
      bound = true;
    },
    remove: () => undefined,
  };
  const replug = {
    name: 'replug',
    always: true,
    weight: 0.5,
    run(world) {
      // Most of the time it is there.
      if (bound && world.random.chance(0.7)) return 'the driver stays';
      const step = bound ? 'remove' : 'probe';
      const rc = refusal(() => driver[step](services));
      if (rc === 0) bound = !bound;
      world.machine.spend();
      return `${step} the driver = ${rc}`;
    },
  };
  return { plugin, operations: [replug] };
}

function refusal(run) {
  try {
    run();
    return 0;
  } catch (error) {
    if (error instanceof MmError && error.code === 'NODE_REFUSED') return -error.errno;
    throw error;
  }
}

const FLAGS = [
  0,
  NP_OPS_MIGRATION,
  NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION | NP_OPS_DEMOTION | NP_OPS_RECLAIM,
  NP_OPS_MIGRATION | NP_OPS_MEMPOLICY | NP_OPS_DEMOTION | NP_OPS_RECLAIM | NP_OPS_COMPACTION,
  NP_OPS_MIGRATION | NP_OPS_NUMA_BALANCING,
];

/**
 * A driver and a service of a private node whose steps come in any order and at any moment: RFC v4,
 * the life cycle of the node, with what must hold at each of them.
 */
export function privateLife(nid, seed) {
  const np = { name: 'fuzzed' };
  let parts = null;
  let orphaned = 0;
  const called = () => {
    if (parts.nodes.refsOf(nid) < 1) orphaned++;
  };
  const ops = {
    flags: FLAGS[seed % FLAGS.length],
    migrate_to(folios, target, mode, reason) {
      called();
      const newFolio = (src) => {
        const order = parts.table.order[src];
        return parts.alloc({ gfp: GFP_HIGHUSER_MOVABLE | GFP_PRIVATE, order, nid: target });
      };
      return parts.migrate.migratePages(folios, { mode, reason, newFolio }).rc;
    },
    folio_migrate: called,
    folio_split: called,
    memory_failure: called,
    free_folio() {
      called();
      return false;
    },
  };
  const steps = {
    register: () => parts.nodes.node_private_register(nid, np),
    strangerRegisters: () => parts.nodes.node_private_register(nid, { name: 'stranger' }),
    add: () => parts.hotplug.add_private_memory_driver_managed(nid, np, null),
    setOps: () => parts.nodes.node_private_set_ops(nid, ops),
    clearOps: () => parts.nodes.node_private_clear_ops(nid, ops),
    strangerClears: () => parts.nodes.node_private_clear_ops(nid, { flags: 0 }),
    refresh: () => parts.tiers.refresh(),
    remove: () => parts.hotplug.offline_and_remove_private_memory(nid),
    unregister: () => parts.nodes.node_private_unregister(nid),
  };
  const plugin = {
    name: 'private-life',
    probe(services) {
      parts = partsOf(services);
      steps.add();
      steps.setOps();
      steps.refresh();
    },
  };
  const operation = {
    name: 'privateLife',
    always: true,
    weight: 1,
    run(world) {
      const name = world.random.pick(Object.keys(steps));
      const was = {
        ops: parts.nodes.opsOf(nid),
        online: parts.states.hasState(nid, N_MEMORY_PRIVATE),
      };
      const rc = steps[name]();
      world.machine.spend();
      checkLife({ parts, nid, orphaned }, world, { name, rc, was });
      return `${name}() = ${rc}`;
    },
  };
  return { plugin, operations: [operation] };
}

/** The invariants of a private node's life. */
function checkLife({ parts, nid, orphaned }, world, { name, rc, was }) {
  const isOnline = parts.states.hasState(nid, N_MEMORY_PRIVATE);
  const isRegistered = parts.nodes.refsOf(nid) > 0;
  const hasOps = parts.nodes.opsOf(nid) !== null;
  const both = isOnline && parts.states.hasState(nid, N_MEMORY);
  world.expect(!both, () => 'a node is ordinary and private at once');
  world.expect(!isOnline || isRegistered, () => 'private memory belongs to somebody');
  world.expect(!hasOps || isRegistered, () => 'ops belong to a registration');
  world.expect(orphaned === 0, () => `${orphaned} callbacks of an np that is gone`);
  if (name === 'unregister') {
    world.expect(rc < 0 === was.online, () => `unregister gave ${rc}, online: ${was.online}`);
  }
  if (name === 'strangerClears') {
    world.expect(rc < 0 && parts.nodes.opsOf(nid) === was.ops, () => 'a stranger cleared ops');
  }
}

/** What the driver of a life uses. */
function partsOf(services) {
  const pageAlloc = services.get(PageAllocToken);
  return {
    nodes: services.get(NodePrivateToken),
    hotplug: services.get(PrivateHotplugToken),
    migrate: services.get(MigrateToken),
    tiers: services.get(MemoryTiersToken),
    states: services.get(NodesToken),
    alloc: (request) => pageAlloc.alloc({ ...request, nodemask: null }),
    table: services.get(FolioTableToken),
  };
}
