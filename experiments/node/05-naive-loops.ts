/**
 * Row 5: kernel code walks all online or all possible nodes and allocates on each. How many pages
 * of such loops end on a private node, and how many of their requests fail, under each gate?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { __GFP_THISNODE, GFP_KERNEL, N_MEMORY, N_ONLINE, N_POSSIBLE } from '@mm-lab/mm-core';
import { GATES, type GateName } from '@mm-lab/node-private';
import { privateLab } from './kit.ts';

const LOOPS = 32;
const PRIVATE = [2, 3];
/** Never plugged: it is possible, and nothing more. */
const ABSENT = 4;

/** Loops as they are written: over which nodes, with which flags. */
const KINDS = [
  { over: 'N_MEMORY', state: N_MEMORY, gfp: GFP_KERNEL | __GFP_THISNODE, flags: 'THISNODE' },
  { over: 'N_ONLINE', state: N_ONLINE, gfp: GFP_KERNEL, flags: '–' },
  { over: 'N_ONLINE', state: N_ONLINE, gfp: GFP_KERNEL | __GFP_THISNODE, flags: 'THISNODE' },
  { over: 'N_POSSIBLE', state: N_POSSIBLE, gfp: GFP_KERNEL, flags: '–' },
  { over: 'N_POSSIBLE', state: N_POSSIBLE, gfp: GFP_KERNEL | __GFP_THISNODE, flags: 'THISNODE' },
];

function run(gate: GateName, { state, gfp }: (typeof KINDS)[number]): readonly number[] {
  const { machine } = privateLab({
    nodes: [
      { id: 0, pages: 1024, cpus: 1 },
      { id: 1, pages: 1024 },
      ...PRIVATE.map((id) => ({ id, pages: 1024, online: false })),
      { id: ABSENT, pages: 1024, online: false },
    ],
    services: PRIVATE.map((nid) => ({ nid, flags: null })),
    nodePrivate: { gate },
  });
  const nids = machine.nodes.inState(state);
  let requests = 0;
  let landed = 0;
  let failed = 0;
  for (let loop = 0; loop < LOOPS; loop++) {
    for (const nid of nids) {
      const pfn = machine.zoneAlloc.alloc({ gfp, order: 0, nid, nodemask: null });
      requests++;
      if (pfn < 0) failed++;
      else if (PRIVATE.includes(machine.nodes.nidOf(pfn))) landed++;
    }
  }
  return [requests, landed, failed];
}

function probe(): Figures {
  const gates = Object.keys(GATES).filter((name): name is GateName => Object.hasOwn(GATES, name));
  const values: Record<string, number> = {};
  const rows = gates.flatMap((gate) => {
    const results = KINDS.map((kind) => ({ kind, counts: run(gate, kind) }));
    const sum = (at: number): number => results.reduce((all, { counts }) => all + counts[at]!, 0);
    values[`landed.${gate}`] = sum(1);
    values[`failed.${gate}`] = sum(2);
    return results.map(({ kind, counts }) => [gate, kind.over, kind.flags, ...counts]);
  });
  const columns = ['gate', 'loop over', 'flags', 'requests', 'on private nodes', 'failed'];
  const title = `${LOOPS} naive loops of each kind; 2 ordinary, 2 private and 1 absent node`;
  return { values, tables: [{ name: 'loops', title, columns, rows }] };
}

export default defineProbe({
  question: 'What do loops over online and possible nodes do to private nodes?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Under the flag of v4 and under the separate zonelist no page of a loop lands there.',
      holds: (results) =>
        results.figure('landed.gfp-private') + results.figure('landed.private-zonelist') === 0,
    },
    {
      text: 'Under THISNODE alone, loops over online and possible nodes with that flag land there.',
      holds: (results) => results.figure('landed.thisnode') > 0,
    },
    {
      text: 'No loop without THISNODE fails; with it only on nodes that have nothing to give.',
      holds: (results) => {
        const flags = results.column('loops', 'flags');
        const failed = results.column('loops', 'failed');
        return flags.every((flag, at) => flag === 'THISNODE' || failed[at] === 0);
      },
    },
  ],
});
