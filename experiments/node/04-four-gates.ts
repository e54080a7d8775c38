/**
 * Row 4: what keeps allocations away that did not ask? A flag of the request (RFC v4), the node's
 * absence from the lists so that only THISNODE gets there, a scope of the task, or a list of its
 * own (version 5). The same driver and the same innocent requests under each.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  type Machine,
  N_ONLINE,
  type Plugin,
} from '@mm-lab/mm-core';
import {
  GATES,
  type GateName,
  type Interrupts,
  InterruptsToken,
  Scope,
} from '@mm-lab/node-private';
import { privateLab } from './kit.ts';

const PRIVATE = 2;
const PAGES = 1024;
const ROUNDS = 16;
const HUGE = 9;

/** How long the driver's copy takes. */
const COPY_NS = 2000;

interface Lab {
  readonly machine: Machine;
  readonly interrupts: Interrupts;
}

type Request = (machine: Machine, nid: number) => number;

function take(gfp: number, order = 0): Request {
  return (machine, nid) => machine.zoneAlloc.alloc({ gfp, order, nid, nodemask: null });
}

/** Somebody who never asked for private memory and allocates all the same. */
interface Innocent {
  readonly name: string;
  readonly request: Request;
  /** Nodes that it names. */
  readonly nodes: 'each online' | 'private';
  readonly rounds: number;
  /** By itself, from within the driver's work, or in an interrupt that comes meanwhile? */
  readonly when: 'alone' | 'nested' | 'interrupt';
}

const INNOCENT: readonly Innocent[] = [
  {
    name: 'slab',
    request: take(GFP_KERNEL | __GFP_THISNODE),
    nodes: 'each online',
    rounds: ROUNDS,
    when: 'alone',
  },
  {
    name: 'loop',
    request: take(GFP_KERNEL),
    nodes: 'each online',
    rounds: ROUNDS,
    when: 'alone',
  },
  {
    name: 'hugetlb',
    request: take(GFP_HIGHUSER_MOVABLE | __GFP_THISNODE, HUGE),
    nodes: 'each online',
    rounds: 1,
    when: 'alone',
  },
  {
    name: 'nested',
    request: take(GFP_KERNEL),
    nodes: 'private',
    rounds: ROUNDS,
    when: 'nested',
  },
  {
    name: 'interrupt',
    request: take(GFP_ATOMIC),
    nodes: 'private',
    rounds: ROUNDS,
    when: 'interrupt',
  },
];

/** Pages that an innocent got on the private node. */
function leaked(gate: GateName, innocent: Innocent): number {
  const lab = build(gate);
  const { machine } = lab;
  const nids = innocent.nodes === 'private' ? [PRIVATE] : machine.nodes.inState(N_ONLINE);
  const once = (): void => {
    for (const nid of nids) innocent.request(machine, nid);
  };
  for (let round = 0; round < innocent.rounds; round++) {
    if (innocent.when === 'alone') once();
    else if (innocent.when === 'nested') driverWorks(lab, once);
    else interrupted(lab, once);
  }
  return machine.zoneAlloc.leakedAllocations;
}

/**
 * The driver fills its node with two pages, in the way of the gate: under `scope` it enters the
 * scope once around both, under the others each request asks by itself.
 * @param between what is allocated for its bookkeeping in between
 */
function driverWorks({ machine }: Lab, between: () => void): void {
  const { isolation } = machine.managed;
  const own = take(GFP_HIGHUSER_MOVABLE | isolation.asking | __GFP_THISNODE);
  const work = (): void => {
    own(machine, PRIVATE);
    between();
    own(machine, PRIVATE);
  };
  if (isolation instanceof Scope) isolation.run(work);
  else work();
}

/** An interrupt is due while the driver's copy takes its time: the handler is no part of it. */
function interrupted(lab: Lab, handler: () => void): void {
  const { machine, interrupts } = lab;
  machine.clock.after(COPY_NS / 2, () => interrupts.run(handler));
  driverWorks(lab, () => machine.clock.advance(COPY_NS));
}

/** The driver asks in the way of the gate. @returns pages it got on its node, and elsewhere */
function asked(gate: GateName): readonly [served: number, elsewhere: number] {
  const { machine } = build(gate);
  const { isolation } = machine.managed;
  const own = take(GFP_HIGHUSER_MOVABLE | isolation.asking | __GFP_THISNODE);
  const pfns: number[] = [];
  for (let round = 0; round < ROUNDS; round++) pfns.push(own(machine, PRIVATE));
  const served = pfns.filter((pfn) => pfn >= 0 && machine.nodes.nidOf(pfn) === PRIVATE);
  return [served.length, ROUNDS - served.length];
}

/** Can a request prefer the node and spill to DRAM when it is full? Pages of DRAM it got. */
function spilled(gate: GateName): number {
  const { machine } = build(gate);
  const want = take(GFP_HIGHUSER_MOVABLE | machine.managed.isolation.asking);
  let spill = 0;
  for (let page = 0; page < PAGES + ROUNDS; page++) {
    const pfn = want(machine, PRIVATE);
    if (pfn >= 0 && machine.nodes.nidOf(pfn) !== PRIVATE) spill++;
  }
  return spill;
}

function build(gate: GateName): Lab {
  const found: { interrupts?: Interrupts } = {};
  const peek: Plugin = {
    name: 'peek',
    probe: (services) => {
      found.interrupts = services.get(InterruptsToken);
    },
  };
  const { machine } = privateLab({
    nodes: [
      { id: 0, pages: 4096, cpus: 1 },
      { id: 1, pages: PAGES },
      { id: PRIVATE, pages: PAGES, online: false },
    ],
    services: [{ nid: PRIVATE, flags: null }],
    nodePrivate: { gate },
    plugins: [peek],
  });
  if (found.interrupts === undefined) throw new Error('node-private did not probe');
  return { machine, interrupts: found.interrupts };
}

function probe(): Figures {
  const gates = Object.keys(GATES).filter((name): name is GateName => Object.hasOwn(GATES, name));
  const values: Record<string, number> = {};
  const rows = gates.map((gate) => {
    const leaks = INNOCENT.map((innocent) => leaked(gate, innocent));
    const [served, failed] = asked(gate);
    values[`leaked_pages.${gate}`] = leaks.reduce((sum, pages) => sum + pages, 0);
    values[`legitimate_failures.${gate}`] = failed;
    return [gate, ...leaks, served, failed, spilled(gate) > 0 ? 'spills' : 'fails'];
  });
  const columns = INNOCENT.map(({ name }) => name);
  return {
    values,
    tables: [
      {
        name: 'gates',
        title: `Pages of the private node that went to who did not ask, and what its driver got`,
        columns: ['gate', ...columns, 'driver served', 'driver refused', 'node full'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'A flag, THISNODE, a scope of the task, or a zonelist: which gate leaks?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'The flag of v4 and the separate zonelist leak nothing.',
      holds: (results) =>
        results.figure('leaked_pages.gfp-private') === 0 &&
        results.figure('leaked_pages.private-zonelist') === 0,
    },
    {
      text: 'THISNODE leaks to slab and hugetlb; a scope leaks to what is nested in it.',
      holds: (results) => {
        const at = results.column('gates', 'gate').indexOf('thisnode');
        const scope = results.column('gates', 'gate').indexOf('scope');
        const of = (column: string, row: number) => Number(results.column('gates', column)[row]);
        const isolated = of('slab', scope) === 0 && of('nested', at) === 0;
        return isolated && of('slab', at) > 0 && of('hugetlb', at) > 0 && of('nested', scope) > 0;
      },
    },
    {
      text: 'Every gate serves the driver; with THISNODE alone it cannot overflow to DRAM.',
      holds: (results) =>
        results.column('gates', 'driver refused').every((pages) => pages === 0) &&
        results.column('gates', 'node full').filter((end) => end === 'fails').length === 1,
    },
  ],
});
