/**
 * Row 37: in v4 a cpuset grants and withholds private nodes; in version 5 it does neither. A task
 * has memory bound to a private node, and its group's cpuset changes around it.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { MADV_DONTNEED, type Machine, MPOL_BIND, policyText, type Task } from '@mm-lab/mm-core';
import {
  NODE_PRIVATE_CAP_USER_NUMA,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  type ProfileName,
} from '@mm-lab/node-private';
import {
  agreesWithKernel,
  bind,
  type Group,
  makeGroup,
  nodeOf,
  outcome,
  privateLab,
} from './kit.ts';

const [DRAM, FAR, PRIVATE] = [0, 1, 2];
const PAGES = 8;

interface Scene {
  readonly machine: Machine;
  readonly group: Group;
  readonly task: Task;
}

function scene(profile: ProfileName): Scene {
  const { machine } = privateLab({
    nodes: [
      { id: DRAM, pages: 2048, cpus: 1 },
      { id: FAR, pages: 1024 },
      { id: PRIVATE, pages: 1024, online: false },
    ],
    services: [
      {
        nid: PRIVATE,
        flags: profile === 'v4-ops' ? NP_OPS_MIGRATION | NP_OPS_MEMPOLICY : null,
        caps: NODE_PRIVATE_CAP_USER_NUMA,
      },
    ],
    nodePrivate: { profile },
  });
  const group = makeGroup(machine, 'g');
  const task = machine.createTask('member');
  group.attach(task);
  task.mmap(0, 4 * PAGES);
  return { machine, group, task };
}

/** Writes some pages of its own; which nodes they landed on. */
function landing({ machine, task }: Scene, start: number): string {
  const found = new Set<number>();
  for (let vpn = start; vpn < start + PAGES; vpn++) {
    task.write(vpn);
    found.add(nodeOf(machine, task, vpn));
  }
  return [...found].sort().map(nameOf).join(' ');
}

function nameOf(nid: number): string {
  return nid === PRIVATE ? 'private' : `node ${nid}`;
}

function bound(at: Scene, start: number): number {
  const range = { start, pages: PAGES, mode: MPOL_BIND, nodes: [PRIVATE] };
  return bind(at.machine, at.task, range);
}

/** The steps of one profile, each in a few words. */
function steps(profile: ProfileName): readonly (readonly [step: string, what: string])[] {
  const without = scene(profile);
  without.group.write('cpuset.mems', '0');
  const refused = outcome(bound(without, 0));

  const granted = scene(profile);
  granted.group.write('cpuset.mems', '0,2');
  const rc = outcome(bound(granted, 0));
  const first = landing(granted, 0);
  const off = outcome(granted.group.write('cpuset.mems', '0'));
  const stayed = nameOf(nodeOf(granted.machine, granted.task, 0));
  const policy = policyText(granted.task.mm.find(0)?.policy ?? null);
  granted.task.madvise(0, PAGES, MADV_DONTNEED);
  const later = landing(granted, 0);

  const only = scene(profile);
  const accepted = outcome(only.group.write('cpuset.mems', String(PRIVATE)));
  const effective = only.group.read('cpuset.mems.effective');
  const plain = landing(only, PAGES);
  return [
    ['mems 0; mbind to the private node', String(refused)],
    ['mems 0,2; mbind to the private node', `${rc}, pages on ${first}`],
    ['then mems 0', `${off}, pages on ${stayed}, policy ${policy}`],
    ['then the same pages anew', `on ${later}`],
    ['mems 2 alone', `${accepted}, effective ${effective}`],
    ['then pages without a policy', `on ${plain}`],
    ...attachSteps(profile),
  ];
}

/** A task with pages in DRAM is attached to a group whose mems is the private node alone. */
function attachSteps(profile: ProfileName): readonly (readonly [step: string, what: string])[] {
  const { machine, group } = scene(profile);
  const late = machine.createTask('late');
  late.mmap(0, 2 * PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) late.write(vpn);
  machine.folios.lruAddDrainAll();
  group.write('cpuset.mems', String(PRIVATE));
  const rc = outcome(group.attach(late));
  machine.spend();
  const there = Array.from({ length: PAGES }, (_, vpn) => nodeOf(machine, late, vpn));
  const nodes = [...new Set(there)].sort().map(nameOf).join(' ');
  return [
    ['attach to mems 2 a task with pages in DRAM', `${rc}, pages on ${nodes}`],
    ['then its new pages', `on ${landing({ machine, group, task: late }, PAGES)}`],
  ];
}

/** A kernel with the series, where private node and DRAM were the only nodes. */
const KERNEL: Readonly<Record<string, string>> = {
  'mems 0; mbind to the private node': 'EINVAL',
  'mems 0,2; mbind to the private node': '0, pages on private',
  'mems 2 alone': '0, effective 2',
  'then pages without a policy': 'on node 0',
  'attach to mems 2 a task with pages in DRAM': '0, pages on private',
  'then its new pages': 'on node 0',
};

function probe(): Figures {
  const v5 = steps('v5-caps');
  const rows = steps('v4-ops').map(([step, model], at) => {
    return [step, model, KERNEL[step] ?? '–', v5[at]?.[1] ?? '–'];
  });
  return {
    values: {
      steps_that_differ: rows.filter((row) => row[1] !== row[3]).length,
      steps: rows.length,
    },
    tables: [
      {
        name: 'cpusets',
        title: 'A group whose task binds memory to private node 2; node 1 is ordinary',
        columns: ['step', 'model', 'kernel', 'v5-caps'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What do cpusets do about private nodes, in each generation?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A kernel with the series answers the same where it was asked.',
      holds: (results) => agreesWithKernel(results, 'cpusets'),
    },
    {
      text: 'The generations differ: in version 5 a cpuset without the node withholds nothing.',
      holds: (results) =>
        results.figure('steps_that_differ') > 0 &&
        results.column('cpusets', 'v5-caps')[0] === '0' &&
        results.column('cpusets', 'v5-caps')[3] === 'on private',
    },
    {
      text: 'In v4 attaching a task to a cpuset of the node alone moves what it had there.',
      holds: (results) => {
        const [model, v5] = ['model', 'v5-caps'].map((name) => results.column('cpusets', name)[6]);
        return String(model).includes('private') && !String(v5).includes('private');
      },
    },
    {
      text: 'A task whose cpuset holds the private node alone still gets its pages from DRAM.',
      holds: (results) => {
        const [model, v5] = ['model', 'v5-caps'].map((name) => results.column('cpusets', name)[5]);
        return [model, v5].every((what) => !String(what).includes('private'));
      },
    },
  ],
});
