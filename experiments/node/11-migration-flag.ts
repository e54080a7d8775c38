/**
 * Row 11: the author's later verdict on NP_OPS_MIGRATION is that it filters nothing useful, since
 * every service that migrates needs an opt-in of its own anyway. Flip it and nothing else, and see
 * what changes. Both callbacks that it obliges are there in either case.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC, MR_SYSCALL, type Task } from '@mm-lab/mm-core';
import {
  NP_OPS_COMPACTION,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
} from '@mm-lab/node-private';
import {
  bytes,
  makeGroup,
  nodeOf,
  outcome,
  type PrivateLab,
  placeOn,
  privateLab,
  residency,
  writer,
} from './kit.ts';

const [DRAM, PRIVATE] = [0, 1];
const PAGES = 32;
const VPNS = [...Array(PAGES).keys()];

interface Behaviour {
  readonly name: string;
  /** The flag that the service has beside MIGRATION. */
  readonly ownFlag: string;
  /** Do the pages begin on the private node? */
  readonly resident: boolean;
  readonly run: (lab: PrivateLab, task: Task) => string;
}

const onNode = ({ machine }: PrivateLab, task: Task): number =>
  residency(machine, task, PAGES).get(PRIVATE) ?? 0;
const left = (lab: PrivateLab, task: Task): string => `${PAGES - onNode(lab, task)} left it`;
const came = (lab: PrivateLab, task: Task): string => `${onNode(lab, task)} came`;

/** set_ops with a flag that obliges MIGRATION, beside what the node has. */
function alsoSets(name: string, flag: number): Behaviour {
  return {
    name: `set_ops with ${name}`,
    ownFlag: name,
    resident: false,
    run: ({ privateNodes, moving }) => {
      const flags = privateNodes.node_private_flags(PRIVATE) | flag;
      return String(outcome(privateNodes.node_private_set_ops(PRIVATE, { ...moving, flags })));
    },
  };
}

const BEHAVIOURS: readonly Behaviour[] = [
  {
    name: 'move_pages to it',
    ownFlag: '–',
    resident: false,
    run: (lab, task) => {
      task.movePages(VPNS, PRIVATE);
      return came(lab, task);
    },
  },
  {
    name: 'demotion to it',
    ownFlag: 'DEMOTION',
    resident: false,
    run: (lab, task) => {
      const group = makeGroup(lab.machine, 'g');
      group.attach(task);
      task.mmap(PAGES, PAGES);
      for (const vpn of VPNS) task.write(PAGES + vpn);
      group.write('memory.reclaim', String(bytes(PAGES)));
      lab.machine.sleep(1e9);
      return `${lab.machine.usedPages(PRIVATE)} came`;
    },
  },
  {
    name: 'move_pages from it',
    ownFlag: '–',
    resident: true,
    run: (lab, task) => {
      task.movePages(VPNS, DRAM);
      return left(lab, task);
    },
  },
  {
    name: 'page status',
    ownFlag: '–',
    resident: true,
    run: (_, task) => String(outcome(task.where([0])[0] ?? 0)),
  },
  {
    name: 'migrate_pages from it',
    ownFlag: '–',
    resident: true,
    run: (lab, task) => {
      const mask = (nid: number) => ({ nodes: [nid], maxnode: 64 });
      const args = { pid: 0, from: mask(PRIVATE), to: mask(DRAM) };
      lab.machine.sys.migratePages.migratePages(task.struct, args);
      return left(lab, task);
    },
  },
  {
    name: 'the driver moves pages out',
    ownFlag: '–',
    resident: true,
    run: (lab, task) => {
      const { machine } = lab;
      const list = VPNS.map((vpn) => pfnOf(lab, task, vpn)).filter((pfn) =>
        machine.folios.isolateLru(pfn),
      );
      const newFolio = (): number =>
        machine.pageAlloc.alloc({ gfp: GFP_HIGHUSER_MOVABLE, order: 0, nid: DRAM, nodemask: null });
      machine.migrate.migratePages(list, { newFolio, mode: MIGRATE_SYNC, reason: MR_SYSCALL });
      for (const pfn of list) machine.folios.putbackLru(pfn);
      return left(lab, task);
    },
  },
  {
    name: 'soft offline',
    ownFlag: '–',
    resident: true,
    run: (lab, task) =>
      String(outcome(lab.machine.softOffline.softOfflinePage(pfnOf(lab, task, 0)))),
  },
  {
    name: 'long-term pin',
    ownFlag: 'LONGTERM_PIN (not set)',
    resident: true,
    run: (lab, task) => {
      const pfn = task.pinLongterm(0);
      return pfn < 0 ? String(outcome(pfn)) : `on node ${nodeOf(lab.machine, task, 0)}`;
    },
  },
  {
    name: 'hot-unplug',
    ownFlag: '–',
    resident: true,
    run: ({ hotplug }) => String(outcome(hotplug.offline_and_remove_private_memory(PRIVATE))),
  },
  {
    name: 'free_folio',
    ownFlag: '–',
    resident: true,
    run: (lab, task) => {
      task.munmap(0, PAGES);
      return `${lab.calls('free_folio')} calls`;
    },
  },
  alsoSets('MEMPOLICY', NP_OPS_MEMPOLICY),
  alsoSets('NUMA_BALANCING', NP_OPS_NUMA_BALANCING),
  alsoSets('COMPACTION', NP_OPS_COMPACTION),
];

function pfnOf({ machine }: PrivateLab, task: Task, vpn: number): number {
  machine.folios.lruAddDrainAll();
  return machine.ptes.value[machine.ptes.find(task.mm.id, vpn)] ?? 0;
}

function observe({ resident, run }: Behaviour, migration: number): string {
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: PRIVATE, pages: 512, online: false, lineNs: 300 },
    ],
    services: [
      { nid: PRIVATE, flags: NP_OPS_DEMOTION | migration, ops: { free_folio: () => false } },
    ],
    sysctl: { demotion_enabled: true },
  });
  const task = writer(lab.machine, 'task', PAGES);
  if (resident) placeOn(lab, task, PAGES, PRIVATE);
  lab.machine.work.runAs(task.struct);
  const seen = run(lab, task);
  lab.machine.spend();
  lab.machine.verify();
  return seen;
}

function probe(): Figures {
  const rows = BEHAVIOURS.map((behaviour) => {
    const seen = [NP_OPS_MIGRATION, 0].map((flag) => observe(behaviour, flag));
    const [withFlag = '', without = ''] = seen;
    const changes = withFlag === without ? 'no' : 'yes';
    return [behaviour.name, behaviour.ownFlag, withFlag, without, changes];
  });
  const changed = rows.filter((row) => row[4] === 'yes');
  return {
    values: {
      behaviours: rows.length,
      changed: changed.length,
      changed_without_a_flag_of_their_own: changed.filter((row) => row[1] === '–').length,
    },
    tables: [
      {
        name: 'flip',
        title: 'Flags DEMOTION with and without MIGRATION, both callbacks there',
        columns: ['behaviour', 'its own flag', 'MIGRATION', 'without', 'changes'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does NP_OPS_MIGRATION filter that nothing else does?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Ways in do not ask for the flag: they go by the callback alone.',
      holds: (results) => {
        const names = results.column('flip', 'behaviour').map(String);
        const changes = results.column('flip', 'changes');
        return names.every((name, at) => !name.endsWith('to it') || changes[at] === 'no');
      },
    },
    {
      text: 'Every way out does, the driver’s own included.',
      holds: (results) => {
        const names = results.column('flip', 'behaviour').map(String);
        const changes = results.column('flip', 'changes');
        return names.every((name, at) => !/from it|out$/.test(name) || changes[at] === 'yes');
      },
    },
    {
      text: 'The three flags that oblige it cannot be set without it.',
      holds: (results) => {
        const without = results.column('flip', 'without');
        return without.filter((end) => end === 'EINVAL').length === 3;
      },
    },
  ],
});
