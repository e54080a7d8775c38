import {
  createMachine,
  GFP_KERNEL,
  MAP_ANONYMOUS,
  MAP_SHARED,
  type Machine,
  type NodeConfig,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '@mm-lab/mm-core';

/** What those pay who have no private memory: questions per event, all of them answered no. */
export interface IdleCost {
  readonly event: 'allocation' | 'anonymous fault' | 'shared fault' | 'free';
  /** Ordinary nodes of the machine. */
  readonly nodes: number;
  readonly events: number;
  /** Questions of the allocation gate (RFC v4 patch 03) per event. */
  readonly gate: number;
  /** Questions of all sites per event. */
  readonly all: number;
}

const PAGES = 2048;
const EVENTS = 1024;
const GATE = ['page_alloc.get_page_from_freelist', 'page_alloc.should_reclaim_retry'];

/** Counts on machines without any plugin, with memory free: nothing is reclaimed. */
export function idleCosts(): readonly IdleCost[] {
  return [1, 4].flatMap((nodes) => [
    allocations(nodes),
    anonymousFaults(nodes),
    sharedFaults(nodes),
    frees(nodes),
  ]);
}

function allocations(nodes: number): IdleCost {
  const machine = machineWith(nodes);
  return cost('allocation', machine, () => allocate(machine));
}

function frees(nodes: number): IdleCost {
  const machine = machineWith(nodes);
  const held = allocate(machine);
  return cost('free', machine, () => {
    for (const pfn of held) machine.folios.put(pfn);
  });
}

function anonymousFaults(nodes: number): IdleCost {
  const machine = machineWith(nodes);
  const task = machine.createTask('storm');
  task.mmap(0, EVENTS);
  return cost('anonymous fault', machine, () => {
    for (let vpn = 0; vpn < EVENTS; vpn++) task.write(vpn);
  });
}

/** Pages of shared memory. */
function sharedFaults(nodes: number): IdleCost {
  const machine = machineWith(nodes);
  const task = machine.createTask('storm');
  const addr = machine.sys.mmap.mmap(task.struct, {
    addr: 0,
    length: EVENTS * PAGE_SIZE,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_SHARED | MAP_ANONYMOUS,
  });
  return cost('shared fault', machine, () => {
    for (let page = 0; page < EVENTS; page++) task.write(addr / PAGE_SIZE + page);
  });
}

function allocate(machine: Machine): number[] {
  const request = { gfp: GFP_KERNEL, order: 0, nid: 0, nodemask: null };
  return Array.from({ length: EVENTS }, () => machine.pageAlloc.alloc(request));
}

function cost(event: IdleCost['event'], machine: Machine, run: () => void): IdleCost {
  const gate = asked(machine, (name) => GATE.includes(name));
  const all = asked(machine, () => true);
  run();
  return {
    event,
    nodes: [...machine.nodes.all()].length,
    events: EVENTS,
    gate: (asked(machine, (name) => GATE.includes(name)) - gate) / EVENTS,
    all: (asked(machine, () => true) - all) / EVENTS,
  };
}

function asked(machine: Machine, counts: (site: string) => boolean): number {
  const sites = machine.sites.report().filter(({ name }) => counts(name));
  return sites.reduce((sum, site) => sum + site.asked, 0);
}

function machineWith(count: number): Machine {
  const nodes: NodeConfig[] = Array.from({ length: count }, (_, id) => {
    return { id, pages: PAGES, cpus: id === 0 ? 1 : 0 };
  });
  return createMachine({ seed: 1, nodes }, []);
}
