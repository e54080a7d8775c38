/**
 * Row 43: each device gets a node of its own. What do 1 to 32 of them add to the zonelists, and to
 * an allocation that has nothing to do with them?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { GFP_HIGHUSER_MOVABLE, type Machine, N_MEMORY } from '@mm-lab/mm-core';
import { __GFP_PRIVATE } from '@mm-lab/node-private';
import { privateLab } from './kit.ts';

const COUNTS = [0, 1, 2, 4, 8, 16, 32];
const ORDINARY = 2;
const PAGES = 512;
const FIRST = ORDINARY;
const GATE = 'page_alloc.get_page_from_freelist';

function build(devices: number): Machine {
  return privateLab({
    nodes: [
      { id: 0, pages: PAGES, cpus: 1 },
      { id: 1, pages: PAGES },
      ...Array.from({ length: devices }, (_, at) => {
        return { id: FIRST + at, pages: PAGES, online: false };
      }),
    ],
    services: Array.from({ length: devices }, (_, at) => ({ nid: FIRST + at, flags: null })),
  }).machine;
}

function asked(machine: Machine): number {
  return machine.sites.report().find(({ name }) => name === GATE)?.asked ?? 0;
}

/** Zones looked at by an ordinary request that fills all ordinary memory and then fails. */
function stepsUntilFull(machine: Machine): { readonly pages: number; readonly steps: number } {
  const from = asked(machine);
  const request = { gfp: GFP_HIGHUSER_MOVABLE, order: 0, nid: 0, nodemask: null };
  let pages = 0;
  while (machine.zoneAlloc.getPageFromFreelist(request, 'none') >= 0) pages++;
  return { pages, steps: asked(machine) - from };
}

function zones(machine: Machine, nids: readonly number[], list: 'fallback' | 'nofallback'): number {
  return nids.reduce((sum, nid) => sum + machine.nodes.pgdat(nid)[list].length, 0);
}

function measure(devices: number): readonly number[] {
  const machine = build(devices);
  const privates = Array.from({ length: devices }, (_, at) => FIRST + at);
  const ordinary = machine.nodes.inState(N_MEMORY);
  const mine = { gfp: GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE, order: 0, nid: FIRST, nodemask: null };
  const fromMine = asked(machine);
  if (devices > 0) machine.zoneAlloc.alloc(mine);
  const privateSteps = asked(machine) - fromMine;
  const { pages, steps } = stepsUntilFull(machine);
  const lists = ['fallback', 'nofallback'] as const;
  const all = [...ordinary, ...privates];
  return [
    devices,
    ORDINARY + devices,
    zones(machine, ordinary, 'fallback'),
    devices === 0 ? 0 : machine.nodes.pgdat(FIRST).fallback.length,
    lists.reduce((sum, list) => sum + zones(machine, all, list), 0),
    pages,
    steps,
    privateSteps,
  ];
}

function probe(): Figures {
  const rows = COUNTS.map(measure);
  const last = rows.at(-1) ?? [];
  const first = rows[0] ?? [];
  return {
    values: {
      'ordinary_walk.steps_without_devices': Number(first[6]),
      'ordinary_walk.steps_with_32_devices': Number(last[6]),
      'zonelist_entries.without_devices': Number(first[4]),
      'zonelist_entries.with_32_devices': Number(last[4]),
    },
    tables: [
      {
        name: 'devices',
        title: `One node for each device, beside ${ORDINARY} ordinary nodes`,
        columns: [
          'devices',
          'nodes',
          'entries in ordinary lists',
          'entries in a private list',
          'entries in all lists',
          'pages of an ordinary storm',
          'steps of its walks',
          'steps of a private request',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does one node for each device cost?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Ordinary zonelists and ordinary walks are the same with 0 and with 32 devices.',
      holds: (results) =>
        new Set(results.column('devices', 'steps of its walks')).size === 1 &&
        new Set(results.column('devices', 'entries in ordinary lists')).size === 1,
    },
    {
      text: 'All lists together grow by the same number of entries for each device.',
      holds: (results) => {
        const devices = results.column('devices', 'devices').map(Number);
        const entries = results.column('devices', 'entries in all lists').map(Number);
        const base = entries[0] ?? 0;
        const perDevice = (entries[1] ?? 0) - base;
        return entries.every((total, at) => total === base + perDevice * (devices[at] ?? 0));
      },
    },
  ],
});
