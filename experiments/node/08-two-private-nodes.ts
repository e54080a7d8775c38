/**
 * Row 8: one allocation of v4 can never choose between two private nodes. A task binds memory to
 * two of them and writes more than one holds, under each mode and each generation of the design.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED_MANY } from '@mm-lab/mm-core';
import {
  NODE_PRIVATE_CAP_USER_NUMA,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  type ProfileName,
} from '@mm-lab/node-private';
import { agreesWithKernel, bind, outcome, privateLab } from './kit.ts';

const [DRAM, C, D] = [0, 1, 2];
const NODE_PAGES = 1024;
const WANTED = 1400;

const MODES = [
  { name: 'BIND', mode: MPOL_BIND, kernel: 'C full, D empty, killed' },
  { name: 'INTERLEAVE', mode: MPOL_INTERLEAVE, kernel: 'C and D' },
  { name: 'PREFERRED_MANY', mode: MPOL_PREFERRED_MANY, kernel: '–' },
];

interface Ending {
  readonly rc: number;
  readonly onC: number;
  readonly onD: number;
  readonly inDram: number;
  readonly killed: boolean;
}

/** Writes page by page; looks at each node before a kill takes the pages back. */
function run(profile: ProfileName, mode: number): Ending {
  const isV4 = profile === 'v4-ops';
  const { machine } = privateLab({
    nodes: [
      { id: DRAM, pages: 4096, cpus: 1 },
      { id: C, pages: NODE_PAGES, online: false },
      { id: D, pages: NODE_PAGES, online: false },
    ],
    services: [C, D].map((nid) => ({
      nid,
      flags: isV4 ? NP_OPS_MIGRATION | NP_OPS_MEMPOLICY : null,
      caps: NODE_PRIVATE_CAP_USER_NUMA,
    })),
    nodePrivate: { profile },
  });
  const task = machine.createTask('bound');
  task.mmap(0, WANTED);
  const rc = bind(machine, task, { start: 0, pages: WANTED, mode, nodes: [C, D] });
  const dramBefore = machine.usedPages(DRAM);
  let [onC, onD, inDram] = [0, 0, 0];
  machine.tracepoints.mm_oom_kill.on(() => {
    [onC, onD] = [machine.usedPages(C), machine.usedPages(D)];
  });
  for (let vpn = 0; vpn < WANTED && task.alive; vpn++) task.write(vpn);
  if (task.alive) {
    [onC, onD] = [machine.usedPages(C), machine.usedPages(D)];
    inDram = machine.usedPages(DRAM) - dramBefore;
  }
  machine.verify();
  return { rc, onC, onD, inDram, killed: !task.alive };
}

/** In the words of the kernel's record, whose task needed more than node C too. */
function model({ onC, onD, inDram, killed }: Ending): string {
  if (killed)
    return `C ${onC > NODE_PAGES / 2 ? 'full' : 'used'}, D ${onD > 0 ? 'used' : 'empty'}, killed`;
  const used = [onC > 0 ? 'C' : '', onD > 0 ? 'D' : '', inDram > 0 ? 'DRAM' : ''];
  return used.filter((name) => name !== '').join(' and ');
}

function probe(): Figures {
  const values: Record<string, number> = {};
  const profiles: readonly ProfileName[] = ['v4-ops', 'v5-caps'];
  const rows = profiles.flatMap((profile) =>
    MODES.map(({ name, mode, kernel }) => {
      const end = run(profile, mode);
      values[`pages_on_D.${profile}.${name}`] = end.onD;
      values[`killed.${profile}.${name}`] = end.killed ? 1 : 0;
      const record = profile === 'v4-ops' ? kernel : '–';
      return [profile, name, outcome(end.rc), end.onC, end.onD, end.inDram, model(end), record];
    }),
  );
  return {
    values,
    tables: [
      {
        name: 'two',
        title: `${WANTED} pages bound to C and D, which hold ${NODE_PAGES} each; DRAM is free`,
        columns: ['profile', 'mode', 'mbind', 'on C', 'on D', 'in DRAM', 'model', 'kernel'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Can an allocation use two private nodes?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A kernel with the series ends the same way.',
      holds: (results) => agreesWithKernel(results, 'two'),
    },
    {
      text: 'v4 kills the task that is bound to both with D empty and DRAM free.',
      holds: (results) =>
        results.figure('killed.v4-ops.BIND') === 1 &&
        results.figure('pages_on_D.v4-ops.BIND') === 0,
    },
    {
      text: 'Version 5 goes on to D: its list holds every private node.',
      holds: (results) =>
        results.figure('killed.v5-caps.BIND') === 0 &&
        results.figure('pages_on_D.v5-caps.BIND') > 0,
    },
  ],
});
