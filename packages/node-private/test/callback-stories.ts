import { CGROUP_FOLDER, KswapdToken, MADV_PAGEOUT, type SiteName } from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
} from '../src/index.js';
import { C, type CallbackStory, FEW, HUGE, type SpiedWorld } from './callback-spy.js';

const INTERRUPT = /spy: a callback slept .*interrupt/;
const FROZEN = /spy: a callback slept .* in folio_split.*frozen/;
const LOCKED = /spy: a callback slept .* in handle_fault.*page-table lock/;
const RCU = /spy: a callback slept .* in reclaim_policy.*RCU/;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

function arrive({ task, pages }: SpiedWorld): void {
  task.movePages(pages === HUGE ? [0] : numbers(pages), C);
}

function frame({ machine, task }: SpiedWorld, vpn: number): number {
  return machine.ptes.value[machine.ptes.slot(task.mm.id, vpn)] ?? -1;
}

/** A page of a driver, and away with it. */
function putOne({ machine }: SpiedWorld): void {
  machine.folios.put(
    machine.zoneAlloc.alloc({ gfp: GFP_PRIVATE, order: 1, nid: C, nodemask: null }),
  );
}

/** By site, every way in which mm calls a service. */
export const CALLBACK_STORIES: Readonly<Partial<Record<SiteName, CallbackStory>>> = {
  'swap.__folio_put': {
    flags: 0,
    tell: putOne,
    calls: ['2 pages, count 0'],
    sleeps: [
      { when: 'in a task', says: null },
      { when: 'in an interrupt', says: INTERRUPT, how: 'in an interrupt' },
    ],
  },
  'swap.folios_put_refs': {
    flags: NP_OPS_MIGRATION,
    before: arrive,
    tell: ({ task, pages }) => {
      task.munmap(0, pages);
    },
    calls: numbers(FEW).map(() => '1 pages, count 0'),
    sleeps: [
      { when: 'in a task', says: null },
      { when: 'in an interrupt', says: INTERRUPT, how: 'in an interrupt' },
    ],
  },
  'vmscan.shrink_folio_list': {
    flags: NP_OPS_MIGRATION,
    options: { reclaimFrees: 'mended' },
    pages: HUGE,
    before: arrive,
    tell: ({ task, pages }) => {
      task.madvise(0, pages, MADV_PAGEOUT);
    },
    calls: [`${HUGE} pages, count 0`],
    sleeps: [{ when: 'in a task', says: null }],
  },
  'huge_memory.__folio_split': {
    flags: NP_OPS_MIGRATION,
    pages: HUGE,
    before: arrive,
    tell: (world) => {
      world.machine.memoryFailure.memoryFailure(frame(world, 5), 0);
    },
    calls: [...numbers(HUGE - 1).map((at) => `part ${at + 1}, count 0 0`), 'the original, count 0'],
    sleeps: [{ when: 'while it is split', says: FROZEN }],
  },
  'migrate.migrate_folios_to_node': {
    flags: NP_OPS_MIGRATION,
    tell: arrive,
    calls: [`${FEW} folios to ${C} for a call`],
    sleeps: [
      { when: 'in a task', says: null },
      { when: 'in an interrupt', says: INTERRUPT, how: 'in an interrupt' },
    ],
  },
  'vmscan.demote_folio_list': {
    flags: NP_OPS_MIGRATION | NP_OPS_DEMOTION,
    before: ({ machine }) => {
      machine.hotplug.offlinePages(1);
    },
    tell: ({ machine }) => {
      machine.pseudoFiles.write(`${CGROUP_FOLDER}/memory.reclaim`, '16K');
    },
    calls: [`${FEW} folios to ${C} for demotion`],
    sleeps: [{ when: 'in a task', says: null }],
  },
  'migrate.migrate_folio_move': {
    flags: NP_OPS_MIGRATION,
    before: arrive,
    tell: ({ task, pages }) => {
      task.movePages(numbers(pages), 1);
    },
    calls: numbers(FEW).map(() => `from ${C} to 1`),
    sleeps: [{ when: 'between folio locks', says: null }],
  },
  'memory.handle_pte_fault': {
    flags: NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE,
    before: arrive,
    tell: ({ task }) => {
      task.write(1);
    },
    calls: ['a PTE'],
    sleeps: [
      { when: 'before the unlock', says: LOCKED },
      { when: 'after the unlock', says: null, how: 'after the unlock' },
    ],
  },
  'huge_memory.do_huge_pmd_wp_page': {
    flags: NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE,
    pages: HUGE,
    before: arrive,
    tell: ({ task }) => {
      task.write(1);
    },
    calls: ['a PMD'],
    sleeps: [
      { when: 'before the unlock', says: LOCKED },
      { when: 'after the unlock', says: null, how: 'after the unlock' },
    ],
  },
  'vmscan.balance_pgdat': {
    flags: NP_OPS_RECLAIM,
    before: ({ service }) => service(KswapdToken).start(C),
    tell: ({ machine }) => {
      const [zone] = machine.nodes.pgdat(C).zones;
      if (zone !== undefined) zone.watermarkBoost = zone.managedPages >> 1;
      machine.zoneAlloc.wakeupKswapd(C, 0);
      machine.sleep(1e8);
    },
    calls: [`node ${C}, false false false false`],
    sleeps: [{ when: 'as a kswapd run begins', says: RCU }],
  },
  'page_alloc.__setup_per_zone_wmarks': {
    flags: 0,
    tell: ({ machine }) => {
      machine.pseudoFiles.write('/proc/sys/vm/min_free_kbytes', '1024');
    },
    calls: [`node ${C}, false false false false`],
    sleeps: [{ when: 'under the zone lock', says: RCU }],
  },
  'memory-failure.memory_failure': {
    flags: 0,
    tell: ({ machine }) => {
      const { base } = machine.nodes.pgdat(C);
      machine.memoryFailure.memoryFailure(base + 3, 0);
    },
    calls: ['page 0'],
    sleeps: [{ when: 'before the page is handled', says: null }],
  },
};
