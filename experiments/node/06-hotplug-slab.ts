/**
 * Row 6: when a node comes online, slab allocates its per-node structures and prefers that node.
 * Such a request must not fail: it has to fall back to DRAM. Before and after the private node is
 * online, under each gate.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { __GFP_THISNODE, GFP_KERNEL } from '@mm-lab/mm-core';
import { GATES, type GateName } from '@mm-lab/node-private';
import { agreesWithKernel, privateLab } from './kit.ts';

const PRIVATE = 1;

const REQUESTS = [
  { request: 'prefers the node', gfp: GFP_KERNEL },
  { request: 'THISNODE', gfp: GFP_KERNEL | __GFP_THISNODE },
];

/** Node of the page, or -1. @param plugged is the private node online already? */
function landing(gate: GateName, gfp: number, plugged: boolean): number {
  const { machine, privateNodes } = privateLab({
    nodes: [
      { id: 0, pages: 1024, cpus: 1 },
      { id: PRIVATE, pages: 1024, online: false },
    ],
    services: plugged ? [{ nid: PRIVATE, flags: null }] : [],
    nodePrivate: { gate },
  });
  if (!plugged) privateNodes.node_private_register(PRIVATE, { name: 'a driver' });
  const pfn = machine.zoneAlloc.alloc({ gfp, order: 0, nid: PRIVATE, nodemask: null });
  return pfn < 0 ? -1 : machine.nodes.nidOf(pfn);
}

function nameOf(nid: number): string {
  if (nid < 0) return 'fails';
  return nid === PRIVATE ? 'private node' : 'DRAM';
}

function probe(): Figures {
  const gates = Object.keys(GATES).filter((name): name is GateName => Object.hasOwn(GATES, name));
  let mustFallBack = 0;
  let fellBack = 0;
  const rows = gates.flatMap((gate) =>
    REQUESTS.map(({ request, gfp }) => {
      const before = landing(gate, gfp, false);
      const after = landing(gate, gfp, true);
      if (request !== 'THISNODE') {
        mustFallBack += 2;
        fellBack += [before, after].filter((nid) => nid === 0).length;
      }
      const kernel = gate === 'gfp-private' ? KERNEL[request] : '–';
      return [gate, request, nameOf(before), nameOf(after), kernel ?? '–'];
    }),
  );
  return {
    values: { must_fall_back: mustFallBack, fell_back: fellBack },
    tables: [
      {
        name: 'slab',
        title: 'Where a kernel allocation that names the private node ends',
        columns: ['gate', 'request', 'registered', 'model', 'kernel'],
        rows,
      },
    ],
  };
}

/** Online, 64 requests each, on a kernel with the series. */
const KERNEL: Readonly<Record<string, string>> = { 'prefers the node': 'DRAM', THISNODE: 'fails' };

export default defineProbe({
  question: 'Does an allocation for a private node that comes online fall back to DRAM?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A request that only prefers the node always gets DRAM, before and after it is online.',
      holds: (results) => results.figure('fell_back') === results.figure('must_fall_back'),
    },
    {
      text: 'A kernel with the series answers the same once the node is online.',
      holds: (results) => agreesWithKernel(results, 'slab'),
    },
    {
      text: 'THISNODE without asking reaches the node only where it is the way in.',
      holds: (results) => {
        const gates = results.column('slab', 'gate');
        const ends = results.column('slab', 'model');
        return ends.every(
          (end, at) => (end === 'private node') === (gates[at] === 'thisnode' && at % 2 === 1),
        );
      },
    },
  ],
});
