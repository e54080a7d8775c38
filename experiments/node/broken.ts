/**
 * Mechanisms that are broken on purpose, by experiment, and the claims that fail then, each by how
 * it begins: a claim that no broken kernel could make fail would say nothing. Those of DOCTORED
 * fail on other figures than were measured: their experiments take too long to run again, or they
 * compare two ways of doing a thing that no one mechanism stands for.
 */
import type { Figures } from '@mm-lab/lab';
import {
  EBUSY,
  type Machine,
  NodesToken,
  OomKillToken,
  PtesToken,
  type Services,
  type SiteName,
} from '@mm-lab/mm-core';
import { type NodePrivateOptions, NodePrivateToken } from '@mm-lab/node-private';

/** What is broken, and what fails. */
export interface Breakage {
  /** Options that every machine gets, whatever the experiment says. */
  readonly options?: NodePrivateOptions;
  /** Sites where the answer is always "ordinary". */
  readonly gone?: readonly SiteName[];
  /** Breaks a machine once it is made. */
  readonly patch?: (machine: Machine) => void;
  /** Breaks services before drivers use them. */
  readonly patchServices?: (services: Services) => void;
  readonly fails: readonly string[];
}

/** A request that does not ask fails at a private node, instead of going on to the next. */
function refuseAtNode({ zoneAlloc, nodes, managed }: Machine): void {
  const alloc = zoneAlloc.alloc.bind(zoneAlloc);
  zoneAlloc.alloc = (request) => {
    const asks = (request.gfp & managed.isolation.mark) !== 0;
    return nodes.pgdat(request.nid).private && !asks ? -1 : alloc(request);
  };
}

/** Private nodes stand at the end of every list. */
function listEverywhere({ hotplug, nodes }: Machine): void {
  const rebuild = hotplug.rebuild.bind(hotplug);
  hotplug.rebuild = () => {
    rebuild();
    const apart = [...nodes.all()].filter((pgdat) => pgdat.private);
    const zones = apart.flatMap((pgdat) => pgdat.zones.filter((zone) => zone.managedPages > 0));
    for (const pgdat of nodes.all()) pgdat.fallback = [...pgdat.fallback, ...zones];
  };
  hotplug.rebuild();
}

/** The killer counts pages of ordinary nodes only. */
function killForDram(services: Services): void {
  const ptes = services.get(PtesToken);
  const nodes = services.get(NodesToken);
  Reflect.set(
    services.get(OomKillToken),
    'badness',
    ({ mm }: { readonly mm: { readonly id: number } }) => {
      let pages = 0;
      ptes.walk(mm.id, 0, Infinity, (slot) => {
        if (!nodes.pgdat(nodes.nidOf(ptes.value[slot] ?? 0)).private) pages++;
      });
      return pages === 0 ? null : pages;
    },
  );
}

/** The first try to take memory offline always fails. */
function offlineLate({ hotplug }: Machine): void {
  const offline = hotplug.offlinePages.bind(hotplug);
  let tries = 0;
  hotplug.offlinePages = (nid) => (tries++ === 0 ? -EBUSY : offline(nid));
}

function offLru({ managed }: Machine): void {
  managed.folio_may_be_lru = (_site, pfn) => managed.ownerOf(pfn) === null;
}

function neverUnregister(services: Services): void {
  services.get(NodePrivateToken).node_private_unregister = () => 0;
}

function acceptAllOps(services: Services): void {
  const nodes = services.get(NodePrivateToken);
  const setOps = nodes.node_private_set_ops.bind(nodes);
  nodes.node_private_set_ops = (nid, ops) => Math.max(0, setOps(nid, ops));
}

const GATE: SiteName = 'page_alloc.get_page_from_freelist';

export const BROKEN: Readonly<Record<string, readonly Breakage[]>> = {
  '02-mprotect-placement': [
    { gone: ['mprotect.change_pte_range'], fails: ['No placement ever'] },
    { gone: ['migrate.do_pages_move'], fails: ['Without a hook', 'A counter asks least'] },
  ],
  '04-four-gates': [
    {
      options: { gate: 'thisnode' },
      fails: ['The flag of v4', 'THISNODE leaks', 'Every gate serves'],
    },
  ],
  '05-naive-loops': [
    { options: { gate: 'thisnode' }, fails: ['Under the flag'] },
    { options: { gate: 'gfp-private' }, fails: ['Under THISNODE'] },
    { patch: refuseAtNode, fails: ['No loop without'] },
  ],
  '06-hotplug-slab': [
    { gone: [GATE], fails: ['A request that only', 'A kernel with', 'THISNODE without'] },
  ],
  '07-only-my-private-node': [
    {
      options: { policyReach: 'mended' },
      fails: ['No request lands', 'A kernel with', 'One request never'],
    },
  ],
  '08-two-private-nodes': [
    { options: { policyReach: 'mended' }, fails: ['A kernel with', 'v4 kills'] },
    { options: { gate: 'gfp-private' }, fails: ['Version 5 goes'] },
  ],
  '09-mixed-mask': [{ options: { policyReach: 'mended' }, fails: ['The share is', 'In v4 BIND'] }],
  '11-migration-flag': [
    { options: { divergences: { D2: 'text' } }, fails: ['Ways in do not'] },
    { gone: ['rmap.try_to_migrate'], fails: ['Every way out'] },
    { patchServices: acceptAllOps, fails: ['The three flags'] },
  ],
  '12-unknown-service': [
    { patch: offLru, fails: ['A service that asks nothing'] },
    { gone: ['ksm.ksm_next_page'], fails: ['Either question'] },
  ],
  '33-memcg-terminal-tier': [
    { options: { groupReclaim: 'mended' }, fails: ['A kernel with'] },
    { options: { groupReclaim: 'v4' }, fails: ['With `groupReclaim` mended'] },
    { gone: ['vmscan.balance_pgdat'], fails: ['The pages are not stuck'] },
  ],
  '34-oom-accounting': [
    { options: { divergences: { D1: 'text' } }, fails: ['For a request that asks'] },
    { patch: listEverywhere, fails: ['For an ordinary request'] },
    { patchServices: killForDram, fails: ['The victim is'] },
  ],
  '35-longterm-pin': [
    {
      gone: ['mm.folio_is_longterm_pinnable'],
      fails: ['A kernel with', 'Without the flag', 'With the flag'],
    },
  ],
  '36-hot-unplug': [
    {
      gone: ['memory_hotplug.do_migrate_range', 'rmap.try_to_migrate'],
      fails: ['It ends as on a kernel'],
    },
    { patchServices: neverUnregister, fails: ['What is stuck stays', 'While migrate_to runs'] },
    { gone: ['mm.folio_is_longterm_pinnable'], fails: ['A pin and a full'] },
  ],
  '37-cpusets': [
    { options: { cpusetMoves: 'mended' }, fails: ['A kernel with', 'In v4 attaching'] },
    { gone: ['mempolicy.mpol_set_nodemask'], fails: ['The generations differ'] },
    { gone: ['memory_hotplug.online_pages'], fails: ['A task whose cpuset'] },
  ],
  '40-moved-notice': [
    { gone: ['compaction.compact_node'], fails: ['Without NP_OPS_COMPACTION'] },
    { gone: ['migrate.migrate_folio_move'], fails: ['With both callbacks'] },
  ],
  '43-one-node-per-device': [
    { options: { gate: 'thisnode' }, fails: ['Ordinary zonelists'] },
    { gone: ['memory_hotplug.online_pages'], fails: ['All lists together'] },
  ],
  '45-teardown-order': [
    { options: { teardown: 'mended' }, fails: ['A kernel with', 'The posted order'] },
    { options: { teardown: 'v4' }, fails: ['Mended, unregistering'] },
    { patch: offlineLate, fails: ['The other order'] },
    { options: { lateClear: 'mended' }, fails: ['It warns'] },
  ],
  '46-two-services': [
    { options: { divergences: { D3: 'text' } }, fails: ['A kernel with', 'The posted code'] },
    { options: { divergences: { D3: 'code' } }, fails: ['Refusing the second'] },
  ],
};

/** Makes other figures of those that were measured. */
export type Doctor = (figures: Figures) => Figures;

/** The same with another value. */
function value(name: string, other: number): Doctor {
  return ({ values, tables }) => ({ values: { ...values, [name]: other }, tables });
}

/** The same with another cell, of the first row that has the word. */
function cell(table: string, row: string | number, column: string, other: string | number): Doctor {
  return ({ values, tables }) => ({
    values,
    tables: tables.map((each) => {
      if (each.name !== table) return each;
      const at = each.columns.indexOf(column);
      const changed = each.rows.findIndex((cells) => cells.includes(row));
      const rows = each.rows.map((cells, number) =>
        number === changed ? cells.with(at, other) : cells,
      );
      return { ...each, rows };
    }),
  });
}

export const DOCTORED: Readonly<Record<string, Readonly<Record<string, Doctor>>>> = {
  '00-mends': {
    'Each mend changes': cell('mends', 'reclaimFrees', 'mended', 0),
    'All mends together': value('innocent.us_more', 1),
    'They ask a few': value('innocent.asked_more', 1000),
  },
  '01-special-casing': {
    'Without a private node': value('sites_used.none', 1),
    'No backend makes use': cell('backends', 'no ops', 'said special', 32),
    'Device-private pages': value('sites_used.ZONE_DEVICE', 20),
    'Binding alone needs': value('sites_used.bind_only', 20),
  },
  '02-mprotect-placement': {
    'can_change_pte_writable asks': value('asked.can_change', 1e6),
  },
  '03-minimal-hooks': {
    'With every site': value('whole.foreign_pages', 1),
    'The smallest set': value('smallest_set.foreign_pages', 1),
    'The gate in': cell('smallest', GATE, 'site', 'another'),
  },
  '10-gate-cost': {
    'While memory is free': cell('gate', 'free', 'gate per allocation', 2),
    'Under pressure': value('questions_per_allocation.pressure', 1),
    'Whether the plugin': value('difference_without_the_plugin', 1),
  },
  '12-unknown-service': {
    'ZONE_DEVICE hides': cell('touches', 'ZONE_DEVICE', 'lru', 1),
  },
  '34-oom-accounting': {
    'For who needs DRAM': value('ordinary.pages_gained_by_the_first_kill', 200),
  },
  '33-memcg-terminal-tier': {
    'With the same pages': value('ordinary.oom_kills', 1),
  },
};
