/**
 * Row 9: a policy names DRAM and a private node together. How much of the memory ends on the
 * private node, from a CPU of the DRAM node?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  MPOL_BIND,
  MPOL_INTERLEAVE,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
} from '@mm-lab/mm-core';
import {
  NODE_PRIVATE_CAP_USER_NUMA,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  type ProfileName,
} from '@mm-lab/node-private';
import { bind, privateLab, residency } from './kit.ts';

const [DRAM, C] = [0, 1];
const PAGES = 64;

interface Case {
  readonly mode: string;
  readonly bits: number;
  readonly nodes: readonly number[];
  /** Pages of 16 that a kernel with the series put on the node, as a share of all. */
  readonly kernel: number;
}

const CASES: readonly Case[] = [
  { mode: 'BIND', bits: MPOL_BIND, nodes: [C], kernel: 1 },
  { mode: 'BIND', bits: MPOL_BIND, nodes: [DRAM, C], kernel: 0 },
  { mode: 'PREFERRED', bits: MPOL_PREFERRED, nodes: [C], kernel: 1 },
  { mode: 'PREFERRED_MANY', bits: MPOL_PREFERRED_MANY, nodes: [C], kernel: 0 },
  { mode: 'PREFERRED_MANY', bits: MPOL_PREFERRED_MANY, nodes: [DRAM, C], kernel: 0 },
  { mode: 'INTERLEAVE', bits: MPOL_INTERLEAVE, nodes: [DRAM, C], kernel: 0.5 },
  { mode: 'WEIGHTED_INTERLEAVE', bits: MPOL_WEIGHTED_INTERLEAVE, nodes: [DRAM, C], kernel: 0.5 },
];

/** Share of the pages that are on C, or -1 if mbind refused. */
function share(profile: ProfileName, { bits, nodes }: Case): number {
  const { machine } = privateLab({
    nodes: [
      { id: DRAM, pages: 2048, cpus: 1 },
      { id: C, pages: 1024, online: false },
    ],
    services: [
      {
        nid: C,
        flags: profile === 'v4-ops' ? NP_OPS_MIGRATION | NP_OPS_MEMPOLICY : null,
        caps: NODE_PRIVATE_CAP_USER_NUMA,
      },
    ],
    nodePrivate: { profile },
  });
  const task = machine.createTask('bound');
  task.mmap(0, PAGES);
  if (bind(machine, task, { start: 0, pages: PAGES, mode: bits, nodes }) < 0) return -1;
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  machine.verify();
  return (residency(machine, task, PAGES).get(C) ?? 0) / PAGES;
}

function probe(): Figures {
  const rows = CASES.map((one) => {
    const nodes = one.nodes.map((nid) => (nid === DRAM ? 'DRAM' : 'C')).join(' ');
    return [one.mode, nodes, share('v4-ops', one), one.kernel, share('v5-caps', one)];
  });
  return {
    values: {
      'share_on_C.bind_mixed.v4': Number(rows[1]?.[2]),
      'share_on_C.preferred_many.v4': Number(rows[3]?.[2]),
    },
    tables: [
      {
        name: 'mixed',
        title: `Share of ${PAGES} pages on the private node C`,
        columns: ['mode', 'mask', 'model', 'kernel', 'v5-caps'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'How much of a mask of DRAM and a private node ends on the private node?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'The share is that of a kernel with the series in every mode.',
      holds: (results) => {
        const kernel = results.column('mixed', 'kernel');
        return results.column('mixed', 'model').every((part, at) => part === kernel[at]);
      },
    },
    {
      text: 'In v4 BIND of both never uses the private node, nor does PREFERRED_MANY of it alone.',
      holds: (results) =>
        results.figure('share_on_C.bind_mixed.v4') === 0 &&
        results.figure('share_on_C.preferred_many.v4') === 0,
    },
  ],
});
