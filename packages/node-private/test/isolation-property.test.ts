import {
  __GFP_DIRECT_RECLAIM,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  type Machine,
  MPOL_BIND,
  MPOL_INTERLEAVE,
  MPOL_MF_MOVE,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  Sites,
} from '@mm-lab/mm-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_RECLAIM,
} from '../src/index.js';
import { IsolationWorld, type Step, type WorldShape } from './isolation-world.js';

const FLAGS = [
  -1,
  0,
  NP_OPS_RECLAIM,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION | NP_OPS_DEMOTION | NP_OPS_RECLAIM,
  NP_OPS_MIGRATION | NP_OPS_NUMA_BALANCING,
] as const;
const GFP_BITS = [
  __GFP_DIRECT_RECLAIM | __GFP_RETRY_MAYFAIL,
  __GFP_DIRECT_RECLAIM | __GFP_NORETRY,
  __GFP_HIGH,
  __GFP_KSWAPD_RECLAIM,
  __GFP_HIGHMEM | __GFP_MOVABLE,
  __GFP_THISNODE,
] as const;

/** Machines of a search. */
const RUNS = 250;
const size = fc.integer({ min: 200, max: 600 });
const shapes: fc.Arbitrary<WorldShape> = fc.record({
  pages: fc.tuple(size, size, size, size),
  flags: fc.constantFrom(...FLAGS),
  refuses: fc.boolean(),
  distance: fc.constantFrom(11, 17, 40),
  secondNs: fc.constantFrom(100, 100, 200),
});
const gfps = fc.subarray([...GFP_BITS]).map((bits) => bits.reduce((sum, bit) => sum | bit, 0));
const nids = fc.integer({ min: 0, max: 3 });
const masks = fc.integer({ min: 1, max: 15 });
const tasks = fc.constantFrom(0, 0, 0, 1);
/** Ordinary nodes alone often enough to be taken where the others may not be named. */
const policyMasks = fc.oneof(masks, fc.constantFrom(1, 4, 5));
const pages = fc.integer({ min: 1, max: 400 });
const modes = fc.constantFrom(MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED, MPOL_PREFERRED_MANY);
const flags = fc.constantFrom(0, MPOL_MF_MOVE);
const orders = fc.constantFrom(0, 0, 0, 3, 9);
const kind = <K extends Step['kind']>(name: K): fc.Arbitrary<K> => fc.constant(name);

const STEPS = {
  alloc: fc.record({ kind: kind('alloc'), gfp: gfps, order: orders, nid: nids }),
  write: fc.record({ kind: kind('write'), task: tasks, pages }),
  policy: fc.record({ kind: kind('policy'), task: tasks, mode: modes, mask: policyMasks }),
  bind: fc.record({ kind: kind('bind'), mode: modes, mask: policyMasks, flags }),
  move: fc.record({ kind: kind('move'), nid: nids, pages }),
  migrate: fc.record({ kind: kind('migrate'), from: masks, to: masks }),
  confine: fc.record({ kind: kind('confine'), task: tasks, mask: masks }),
  reclaim: fc.record({ kind: kind('reclaim'), nid: fc.constantFrom(0, 0, 2, 1, 3) }),
  demote: fc.record({ kind: kind('demote'), nid: fc.constantFrom(0, 0, 2) }),
  exhaust: fc.record({ kind: kind('exhaust') }),
  pageout: fc.record({ kind: kind('pageout') }),
  exit: fc.record({ kind: kind('exit'), task: tasks }),
  replug: fc.record({ kind: kind('replug'), nid: nids }),
  wait: fc.record({ kind: kind('wait') }),
} as const satisfies { readonly [K in Step['kind']]: fc.Arbitrary<Step> };
/** Steps that matter to each other; every fourth path takes any that come. */
const THEMES: readonly (readonly Step['kind'][])[] = [
  ['policy', 'confine'],
  ['alloc', 'exhaust', 'replug'],
  ['bind', 'move', 'migrate'],
  ['demote', 'confine'],
  ['alloc', 'write', 'pageout', 'exit', 'wait', 'reclaim', 'policy', 'bind', 'move', 'replug'],
];
const paths: fc.Arbitrary<Step[]> = fc.constantFrom(...THEMES).chain((theme) => {
  const kinds: readonly fc.Arbitrary<Step>[] = theme.map((name) => STEPS[name]);
  return fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 12 });
});

/** The first step after which memory was had that nobody asked for, in words; null if none is. */
function search(numRuns: number, mutate?: (machine: Machine) => void): string | null {
  let found: string | null = null;
  const property = fc.property(shapes, paths, (shape, path) => {
    const world = new IsolationWorld(shape, mutate);
    for (const step of path) {
      found = world.step(step);
      if (found !== null) return false;
    }
    if (mutate === undefined) world.machine.verify();
    return true;
  });
  const run = fc.check(property, { seed: 1, numRuns, endOnFailure: true });
  if (run.failed && found === null) throw run.errorInstance;
  return found;
}

/** Each gate with what it looks like when it is not there. */
const GATES: Readonly<Record<string, (machine: Machine) => void>> = {
  'allocation: get_page_from_freelist': ({ managed }) => {
    const site = Sites.index('page_alloc.get_page_from_freelist');
    const asked = managed.numa_zone_alloc_allowed.bind(managed);
    managed.numa_zone_alloc_allowed = (from, nid, gfp) => from === site || asked(from, nid, gfp);
  },
  'allocation: should_reclaim_retry': ({ managed }) => {
    const site = Sites.index('page_alloc.should_reclaim_retry');
    const asked = managed.numa_zone_alloc_allowed.bind(managed);
    managed.numa_zone_alloc_allowed = (from, nid, gfp) => from === site || asked(from, nid, gfp);
  },
  'zonelists: build_zonelists': ({ nodes, hotplug }) => {
    const rebuild = hotplug.rebuild.bind(hotplug);
    hotplug.rebuild = () => {
      rebuild();
      const apart = [...nodes.all()].filter((pgdat) => pgdat.private);
      const zones = apart.flatMap((pgdat) => pgdat.zones.filter((zone) => zone.managedPages > 0));
      for (const pgdat of nodes.all()) pgdat.fallback = [...pgdat.fallback, ...zones];
    };
  },
  'policy: mpol_set_nodemask': ({ managed }) => {
    const site = Sites.index('mempolicy.mpol_set_nodemask');
    const asked = managed.nodes_private_mpol_allowed.bind(managed);
    managed.nodes_private_mpol_allowed = (from, nodes) => {
      const said = asked(from, nodes);
      return from === site && said === 'not all' ? 'all' : said;
    };
  },
  'policy: mpol_rebind_nodemask': ({ managed }) => {
    const site = Sites.index('mempolicy.mpol_rebind_nodemask');
    const asked = managed.nodes_private_mpol_allowed.bind(managed);
    managed.nodes_private_mpol_allowed = (from, nodes) => {
      const said = asked(from, nodes);
      return from === site && said === 'not all' ? 'all' : said;
    };
  },
  'demotion: establish_demotion_targets': ({ managed }) => {
    const site = Sites.index('memory-tiers.establish_demotion_targets');
    const asked = managed.node_allows.bind(managed);
    managed.node_allows = (from, nid, grants) => from === site || asked(from, nid, grants);
  },
  'demotion: demote_folio_list': ({ managed }) => {
    const site = Sites.index('vmscan.demote_folio_list');
    const asked = managed.node_takes_by_callback.bind(managed);
    managed.node_takes_by_callback = (from, nid) => from !== site && asked(from, nid);
  },
  'migration: migrate_folios_to_node': ({ managed }) => {
    const site = Sites.index('migrate.migrate_folios_to_node');
    const asked = managed.node_takes_by_callback.bind(managed);
    managed.node_takes_by_callback = (from, nid) => from !== site && asked(from, nid);
  },
  'cpusets: guarantee_online_mems': ({ cpusets }) => {
    Object.assign(cpusets, { ordinaryMems: () => new Set() });
  },
};

describe('X10: nothing that did not ask lands on a private node', () => {
  test('over machines, flags, policies, cpusets, pressure, hotplug, daemons and calls', () => {
    expect(search(RUNS)).toBe(null);
  });

  // What vitest prints as the time of each of these is the second that a search may take.
  test.for(Object.entries(GATES))('without the gate %s it is found out', ([, cut]) => {
    expect(search(RUNS, cut)).not.toBe(null);
  });
});
