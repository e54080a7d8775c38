/**
 * Row 3: the simplest use is memory that mbind alone can reach. Which sites guarantee that nothing
 * else lands there? Each is taken out of mm in turn while a program is bound to the node and
 * everything else is under pressure.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  __GFP_THISNODE,
  diskSwap,
  GFP_KERNEL,
  type Machine,
  MmError,
  MPOL_BIND,
  N_ONLINE,
  type Plugin,
  type SiteName,
  Sites,
  SitesToken,
} from '@mm-lab/mm-core';
import { NP_OPS_MEMPOLICY, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { bind, bytes, makeGroup, privateLab, residency } from './kit.ts';

const [DRAM, FAR, PRIVATE] = [0, 1, 2];
const BOUND = 64;
const LOOPS = 16;

/** mm without some of its sites: there the answer is always "ordinary". */
class WithoutSites extends Sites {
  private readonly gone: ReadonlySet<number>;

  constructor(gone: readonly SiteName[]) {
    super();
    this.gone = new Set(gone.map((name) => Sites.index(name)));
  }

  override count(site: number, managed: boolean): boolean {
    return super.count(site, managed && !this.gone.has(site));
  }
}

interface Ending {
  /** Pages on the node that are not those bound to it. */
  readonly foreign: number;
  /** Bound pages that are there. */
  readonly bound: number;
  /** Sites that ever said "special": without the others nothing would differ. */
  readonly spoke: readonly SiteName[];
}

/** Can the machine boot and run so at all? null: the model refuses. */
function attempt(gone: readonly SiteName[]): Ending | null {
  try {
    return stress(gone);
  } catch (error) {
    if (error instanceof MmError) return null;
    throw error;
  }
}

function stress(gone: readonly SiteName[]): Ending {
  const without: Plugin = {
    name: 'without-sites',
    register: (services) => services.bindValue(SitesToken, new WithoutSites(gone)),
  };
  const { machine } = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: FAR, pages: 512, lineNs: 200 },
      { id: PRIVATE, pages: 1024, online: false, lineNs: 400 },
    ],
    services: [{ nid: PRIVATE, flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY }],
    sysctl: { demotion_enabled: true },
    plugins: [without, diskSwap({ pages: 4096 })],
  });
  const task = machine.createTask('bound');
  task.mmap(0, BOUND);
  bind(machine, task, { start: 0, pages: BOUND, mode: MPOL_BIND, nodes: [PRIVATE] });
  for (let vpn = 0; vpn < BOUND; vpn++) task.write(vpn);
  everythingElse(machine);
  machine.folios.lruAddDrainAll();
  const bound = residency(machine, task, BOUND).get(PRIVATE) ?? 0;
  const spoke = machine.sites.report().filter(({ managed }) => managed > 0);
  const foreign = machine.usedPages(PRIVATE) - bound;
  return { foreign, bound, spoke: spoke.map(({ name }) => name) };
}

/** Nobody here asks for the node. */
function everythingElse(machine: Machine): void {
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  for (let loop = 0; loop < LOOPS; loop++) {
    for (const nid of machine.nodes.inState(N_ONLINE)) {
      for (const gfp of [GFP_KERNEL, GFP_KERNEL | __GFP_THISNODE]) {
        const pfn = machine.zoneAlloc.alloc({ gfp, order: 0, nid, nodemask: null });
        if (pfn >= 0) held.push(pfn);
      }
    }
  }
  const group = makeGroup(machine, 'g');
  const other = machine.createTask('other');
  group.attach(other);
  other.mmap(0, 1800);
  for (let vpn = 0; vpn < 1800; vpn++) other.write(vpn);
  group.write('memory.reclaim', String(bytes(256)));
  const child = other.fork('child');
  if (typeof child !== 'number') for (let vpn = 0; vpn < BOUND; vpn++) child.write(vpn);
  machine.pseudoFiles.write(`/sys/devices/system/node/node${PRIVATE}/compact`, '1');
  machine.hotplug.offlinePages(FAR);
  machine.hotplug.onlinePages(FAR, null);
  for (let vpn = 0; vpn < 1800; vpn += 3) other.write(vpn);
  machine.sleep(1e9);
}

function works(end: Ending | null): boolean {
  return end !== null && end.foreign === 0 && end.bound === BOUND;
}

/** Takes sites away for good, one after the other, as long as the guarantee holds. */
function smallest(spoke: readonly SiteName[]): SiteName[] {
  const gone = Sites.names.filter((name) => !spoke.includes(name));
  for (const name of spoke) if (works(attempt([...gone, name]))) gone.push(name);
  return Sites.names.filter((name) => !gone.includes(name));
}

function probe(): Figures {
  const whole = stress([]);
  const rows = whole.spoke.flatMap((name) => {
    const end = attempt([name]);
    if (works(end)) return [];
    const [foreign, bound] =
      end === null ? ['–', 'the node cannot be used'] : [end.foreign, end.bound];
    return [[name, foreign, bound]];
  });
  const needed = smallest(whole.spoke);
  return {
    values: {
      sites: Sites.names.length,
      sites_that_spoke: whole.spoke.length,
      'whole.foreign_pages': whole.foreign,
      'whole.bound_pages': whole.bound,
      needed_alone: rows.length,
      smallest_set: needed.length,
      'smallest_set.foreign_pages':
        attempt(Sites.names.filter((name) => !needed.includes(name)))?.foreign ?? -1,
    },
    tables: [
      {
        name: 'removed',
        title: `One site taken out: foreign pages on the node, and of ${BOUND} bound ones`,
        columns: ['site taken out', 'foreign pages', 'bound pages there'],
        rows,
      },
      {
        name: 'smallest',
        title: 'A smallest set: with any one of these missing the guarantee is gone',
        columns: ['site'],
        rows: needed.map((name) => [name]),
      },
    ],
  };
}

export default defineProbe({
  question: 'Which hooks does memory need that only mbind may reach?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With every site in place there is no foreign page and every bound page is there.',
      holds: (results) =>
        results.figure('whole.foreign_pages') === 0 &&
        results.figure('whole.bound_pages') === BOUND,
    },
    {
      text: 'The smallest set has no foreign page either, and is a small part of all sites.',
      holds: (results) =>
        results.figure('smallest_set.foreign_pages') === 0 &&
        results.figure('smallest_set') < results.figure('sites') / 4,
    },
    {
      text: 'The gate in get_page_from_freelist is one of them: without it pages leak.',
      holds: (results) => {
        const gate = 'page_alloc.get_page_from_freelist';
        const at = results.column('removed', 'site taken out').indexOf(gate);
        return (
          results.column('smallest', 'site').includes(gate) &&
          Number(results.column('removed', 'foreign pages')[at]) > 0
        );
      },
    },
  ],
});
