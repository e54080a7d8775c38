import {
  __GFP_DIRECT_RECLAIM,
  createMachine,
  type Demotion,
  DemotionToken,
  GFP_HIGHUSER_MOVABLE,
  type HookOps,
  type Machine,
  MR_DEMOTION,
  N_MEMORY,
  N_MEMORY_PRIVATE,
  type Plugin,
  type Services,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  NODE_PRIVATE_CAP_DEMOTION,
  NODE_PRIVATE_CAP_USER_NUMA,
  type NodePrivate,
  type NodePrivateInfo,
  type NodePrivateOps,
  NodePrivateToken,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  nodePrivate,
  type PrivateHotplug,
  PrivateHotplugToken,
} from '../src/index.js';
import type { WorldShape } from './isolation-step.js';

/** Ordinary nodes 0 and 2, private nodes 1 and 3. */
export const PRIVATE = [1, 3] as const;
/** Pages of the memory that a program has. */
export const PROGRAM_PAGES = 400;
/** Pages that a program takes anew after a change. */
export const FRESH_PAGES = 16;

/** A machine on which every page that lands on a private node must have been asked for. */
export class IsolationWorld {
  readonly machine: Machine;
  readonly held: number[] = [];
  readonly tasks = new Map<number, Task>();
  /** How much of what no counter of the machine tells was done. */
  readonly done = new Map<string, number>();
  private readonly ops: NodePrivateOps | null;
  private readonly infos: ReadonlyMap<number, NodePrivateInfo>;
  private found: string | null = null;
  private nodePrivate: NodePrivate | null = null;
  private hotplug: PrivateHotplug | null = null;
  private demotion: Demotion | null = null;
  private consents = 0;
  private names = 0;

  /** @param mutate takes a gate away before the private nodes come */
  constructor(
    private readonly shape: WorldShape,
    mutate: (machine: Machine) => void = () => undefined,
  ) {
    const peek: Plugin = { name: 'driver', probe: (services) => this.probe(services) };
    const swap = zramSwap({ pages: 2048, codec: 'lz4' });
    const { profile, flags } = shape;
    const hasOps = profile === 'v4-ops' && flags >= 0;
    this.ops = hasOps ? { flags, ...this.callbacks() } : null;
    const caps = Math.max(flags, 0);
    this.infos = new Map(PRIVATE.map((nid) => [nid, { name: `driver ${nid}`, caps }]));
    this.machine = createMachine(configOf(shape), [nodePrivate({ profile }), peek, swap]);
    mutate(this.machine);
    this.machine.folios.addHolder(() => this.held);
    this.machine.tracepoints.mm_page_alloc.on((_now, _pfn, _order, gfp, nid) => {
      this.landed(gfp, nid);
    });
    for (const nid of shape.order) this.plug(nid);
  }

  /** What went wrong so far, or null. */
  get wrong(): string | null {
    return this.found ?? this.structure();
  }

  note(what: string, count: number): void {
    this.done.set(what, (this.done.get(what) ?? 0) + count);
  }

  /** The first complaint counts. */
  complain(what: string): void {
    this.found ??= what;
  }

  task(index: number): Task {
    const known = this.tasks.get(index);
    if (known?.alive) return known;
    const made = this.machine.createTask(this.name('t'), 0);
    made.mmap(0, PROGRAM_PAGES);
    this.tasks.set(index, made);
    return made;
  }

  end(index: number): void {
    const found = this.tasks.get(index);
    if (found?.alive) found.exit();
    this.tasks.delete(index);
  }

  /** A name that nobody has. */
  name(kind: string): string {
    return `${kind}${this.names++}`;
  }

  release(): void {
    for (const pfn of this.held.splice(0)) this.machine.folios.put(pfn);
  }

  /** What reclaim does with such folios of a node. */
  demote(folios: number[], nid: number): void {
    this.demotion?.demoteFolioList(folios, nid);
    this.machine.migrate.waitForBatches();
  }

  /** Gives a node its memory, a private one with all that its driver does. */
  plug(nid: number): void {
    const { hotplug, tiers } = this.machine;
    const info = this.infos.get(nid);
    if (info === undefined) hotplug.onlinePages(nid, null);
    else this.hotplug?.add_private_memory_driver_managed(nid, info, null);
    if (info !== undefined && this.ops !== null) {
      this.nodePrivate?.node_private_set_ops(nid, this.ops);
    }
    tiers.refresh();
  }

  unplug(nid: number): void {
    if (this.infos.has(nid)) this.hotplug?.offline_and_remove_private_memory(nid);
    else this.machine.hotplug.offlinePages(nid);
  }

  /** Registers a node of a driver, whose memory comes later, or gives it up again. */
  register(nid: number): void {
    const info = this.infos.get(nid);
    if (info === undefined || this.nodePrivate === null) return;
    if (this.nodePrivate.refsOf(nid) >= 0) this.nodePrivate.node_private_unregister(nid);
    else this.nodePrivate.node_private_register(nid, info);
  }

  private probe(services: Services): void {
    this.nodePrivate = services.get(NodePrivateToken);
    this.hotplug = services.get(PrivateHotplugToken);
    this.demotion = services.get(DemotionToken);
  }

  /** A service that takes folios in unless it refuses, and knows why they come. */
  private callbacks(): Partial<HookOps> {
    const { flags, refuses } = this.shape;
    if ((flags & NP_OPS_MIGRATION) === 0) return {};
    return {
      migrate_to: (folios, nid, mode, reason) => {
        const unwanted = reason === MR_DEMOTION && (flags & NP_OPS_DEMOTION) === 0;
        if (unwanted) this.complain(`folios were demoted to node ${nid}, which does not let them`);
        if (refuses) return -28;
        const newFolio = (): number => this.asDriver(nid);
        return this.machine.migrate.migratePages(folios, { mode, reason, newFolio }).rc;
      },
      folio_migrate: () => undefined,
    };
  }

  private asDriver(nid: number): number {
    this.consents++;
    const gfp = (GFP_HIGHUSER_MOVABLE & ~__GFP_DIRECT_RECLAIM) | GFP_PRIVATE;
    const pfn = this.machine.zoneAlloc.alloc({ gfp, order: 0, nid, nodemask: null });
    this.consents--;
    return pfn;
  }

  /** Every page that anybody gets passes here. */
  private landed(gfp: number, nid: number): void {
    if (this.machine.managed.nodeOwner(nid) === null) return;
    const asked = (gfp & this.machine.managed.isolation.mark) !== 0;
    if (!asked) this.complain(`a request ${gfp.toString(16)} that did not ask landed on ${nid}`);
    else if (this.consents === 0 && !this.letsOthersAsk()) {
      this.complain(`node ${nid} was asked for by somebody whom it does not let`);
    }
  }

  /** May anybody but the driver ask? Policies, and in version 5 mm's own migration too. */
  private letsOthersAsk(): boolean {
    const flags = Math.max(this.shape.flags, 0);
    if (this.shape.profile === 'v4-ops') return (flags & NP_OPS_MEMPOLICY) !== 0;
    return (flags & (NODE_PRIVATE_CAP_USER_NUMA | NODE_PRIVATE_CAP_DEMOTION)) !== 0;
  }

  /** Who stands in whose lists, and that every task has ordinary memory. */
  private structure(): string | null {
    const { nodes, tasks, managed } = this.machine;
    const apart = (nid: number): boolean => nodes.hasState(nid, N_MEMORY_PRIVATE);
    for (const pgdat of nodes.all()) {
      const { nid } = pgdat;
      const isOwned = managed.nodeOwner(nid) !== null;
      if (isOwned && nodes.hasState(nid, N_MEMORY)) return `node ${nid} became ordinary memory`;
      if (apart(nid) && pgdat.managedPages() === 0) return `node ${nid} is private without memory`;
      const listed = [...pgdat.fallback, ...pgdat.nofallback].map((zone) => zone.nid);
      const isStrange = listed.some((other) => apart(other) && other !== nid);
      if (isStrange) return `node ${nid} has a private node in its lists`;
    }
    for (const { memsAllowed, pid } of tasks.all()) {
      const some =
        memsAllowed === null || [...memsAllowed].some((n) => nodes.hasState(n, N_MEMORY));
      if (!some) return `task ${pid} may use no ordinary memory`;
    }
    return null;
  }
}

function configOf({
  pages,
  distance,
  secondNs,
  order,
}: WorldShape): Parameters<typeof createMachine>[0] {
  const near = distance;
  return {
    seed: 1,
    nodes: [
      { id: 0, pages: pages[0], cpus: 2 },
      { id: 1, pages: pages[1], online: false, lineNs: 400 },
      { id: 2, pages: pages[2], cpus: 1, lineNs: secondNs, online: !order.includes(2) },
      { id: 3, pages: pages[3], online: false, lineNs: 600 },
    ],
    distances: [
      [10, near, 30, 20],
      [near, 10, 20, 15],
      [30, 20, 10, near],
      [20, 15, near, 10],
    ],
    sysctl: { demotion_enabled: true },
  };
}
