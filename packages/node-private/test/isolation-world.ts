import {
  __GFP_DIRECT_RECLAIM,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  createMachine,
  type Demotion,
  DemotionToken,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  type HookOps,
  MADV_DONTNEED,
  MADV_PAGEOUT,
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
  type NodePrivate,
  type NodePrivateOps,
  NodePrivateToken,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  nodePrivate,
  type PrivateHotplug,
  PrivateHotplugToken,
} from '../src/index.js';

/** Ordinary nodes 0 and 2, private nodes 1 and 3. */
const PRIVATE = [1, 3] as const;
/** Pages of the memory that a program has. */
const PROGRAM_PAGES = 400;
/** Pages that a program takes anew after a change. */
const FRESH_PAGES = 16;
/** Pages in use before a node is reclaimed. */
const RECLAIM_PAGES = 64;
/** Rounds of reclaim before a request that nothing can serve gives up; hope makes it 16 more. */
const STALLS_MAX = 4;

/** What is generated of a machine. */
export interface WorldShape {
  readonly pages: readonly [number, number, number, number];
  /** NP_OPS_* bits of both private nodes; -1: no ops. */
  readonly flags: number;
  readonly refuses: boolean;
  readonly distance: number;
  /** Latency of ordinary node 2: as node 0, or a tier of its own above the private nodes. */
  readonly secondNs: number;
}

/** One step; numbers are taken modulo what there is. */
export type Step =
  | { readonly kind: 'alloc'; readonly gfp: number; readonly order: number; readonly nid: number }
  | { readonly kind: 'write'; readonly task: number; readonly pages: number }
  | { readonly kind: 'policy'; readonly task: number; readonly mode: number; readonly mask: number }
  | { readonly kind: 'bind'; readonly mode: number; readonly mask: number; readonly flags: number }
  | { readonly kind: 'move'; readonly nid: number; readonly pages: number }
  | { readonly kind: 'migrate'; readonly from: number; readonly to: number }
  | { readonly kind: 'confine'; readonly task: number; readonly mask: number }
  | { readonly kind: 'reclaim'; readonly nid: number }
  | { readonly kind: 'demote'; readonly nid: number }
  | { readonly kind: 'exhaust' }
  | { readonly kind: 'pageout' }
  | { readonly kind: 'exit'; readonly task: number }
  | { readonly kind: 'replug'; readonly nid: number }
  | { readonly kind: 'wait' };

/** A machine on which every page that lands on a private node must have been asked for. */
export class IsolationWorld {
  readonly machine: Machine;
  private readonly held: number[] = [];
  private readonly tasks = new Map<number, Task>();
  private readonly ops: NodePrivateOps | null;
  private nodes: NodePrivate | null = null;
  private hotplug: PrivateHotplug | null = null;
  private demotion: Demotion | null = null;
  private consents = 0;
  private found: string | null = null;
  private names = 0;

  constructor(
    private readonly shape: WorldShape,
    mutate: (machine: Machine) => void = () => undefined,
  ) {
    const peek: Plugin = { name: 'driver', probe: (services) => this.probe(services) };
    const swap = zramSwap({ pages: 2048, codec: 'lz4' });
    this.ops = shape.flags < 0 ? null : { flags: shape.flags, ...this.callbacks() };
    this.machine = createMachine(configOf(shape), [nodePrivate(), peek, swap]);
    mutate(this.machine);
    this.machine.folios.addHolder(() => this.held);
    this.machine.tracepoints.mm_page_alloc.on((_now, _pfn, _order, gfp, nid) => {
      this.landed(gfp, nid);
    });
    for (const nid of PRIVATE) this.plug(nid);
  }

  /** Takes the step. @returns what went wrong, or null */
  step(step: Step): string | null {
    this.take(step);
    this.machine.spend();
    return this.found ?? this.structure();
  }

  private probe(services: Services): void {
    this.nodes = services.get(NodePrivateToken);
    this.hotplug = services.get(PrivateHotplugToken);
    this.demotion = services.get(DemotionToken);
  }

  private plug(nid: number): void {
    this.hotplug?.add_private_memory_driver_managed(nid, { name: `driver ${nid}` }, null);
    if (this.ops !== null) this.nodes?.node_private_set_ops(nid, this.ops);
    this.machine.tiers.refresh();
  }

  /** A service that takes folios in unless it refuses, and knows why they come. */
  private callbacks(): Partial<HookOps> {
    const { flags, refuses } = this.shape;
    if ((flags & NP_OPS_MIGRATION) === 0) return {};
    return {
      migrate_to: (folios, nid, mode, reason) => {
        const unwanted = reason === MR_DEMOTION && (flags & NP_OPS_DEMOTION) === 0;
        if (unwanted) this.found ??= `folios were demoted to node ${nid}, which does not let them`;
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
    if (!this.machine.nodes.hasState(nid, N_MEMORY_PRIVATE)) return;
    const asked = (gfp & this.machine.managed.isolation.mark) !== 0;
    const byPolicy = (Math.max(this.shape.flags, 0) & NP_OPS_MEMPOLICY) !== 0;
    if (!asked) this.found ??= `a request ${gfp.toString(16)} that did not ask landed on ${nid}`;
    else if (this.consents === 0 && !byPolicy) {
      this.found ??= `node ${nid} was asked for by somebody whom it does not let`;
    }
  }

  /** Who stands in whose lists, and that every task has ordinary memory. */
  private structure(): string | null {
    const { nodes, tasks } = this.machine;
    const apart = (nid: number): boolean => nodes.hasState(nid, N_MEMORY_PRIVATE);
    for (const pgdat of nodes.all()) {
      const strangers = [...pgdat.fallback, ...pgdat.nofallback].filter(({ nid }) => {
        return apart(nid) && nid !== pgdat.nid;
      });
      if (strangers.length > 0) return `node ${pgdat.nid} has a private node in its lists`;
    }
    for (const { memsAllowed, pid } of tasks.all()) {
      const some =
        memsAllowed === null || [...memsAllowed].some((n) => nodes.hasState(n, N_MEMORY));
      if (!some) return `task ${pid} may use no ordinary memory`;
    }
    return null;
  }

  private take(step: Step): void {
    switch (step.kind) {
      case 'alloc':
        this.alloc(step);
        break;
      case 'write':
        this.write(step);
        break;
      case 'policy':
        this.policy(step);
        break;
      case 'bind':
        this.bind(step);
        break;
      case 'move':
        this.move(step);
        break;
      case 'migrate':
        this.migrate(step);
        break;
      case 'confine':
        this.confine(step);
        break;
      case 'reclaim':
        this.reclaim(step);
        break;
      case 'demote':
        this.demote(step);
        break;
      case 'exhaust':
        this.exhaust();
        break;
      case 'pageout':
        this.task(0).madvise(0, PROGRAM_PAGES, MADV_PAGEOUT);
        break;
      case 'exit':
        this.exit(step);
        break;
      case 'replug':
        this.replug(step);
        break;
      case 'wait':
        this.machine.folios.lruAddDrainAll();
        this.machine.clock.advance(2e8);
    }
  }

  private alloc({ gfp, order, nid }: Step & { kind: 'alloc' }): void {
    const request = { gfp, order, nid, nodemask: null };
    const fast = (gfp & __GFP_DIRECT_RECLAIM) === 0;
    const { zoneAlloc, pageAlloc } = this.machine;
    const pfn = fast ? zoneAlloc.getPageFromFreelist(request, 'none') : pageAlloc.alloc(request);
    if (pfn >= 0) this.held.push(pfn);
    else this.release();
  }

  private write({ task, pages }: Step & { kind: 'write' }): void {
    const found = this.task(task);
    for (let vpn = 0; vpn < pages && found.alive; vpn++) found.write(vpn);
    this.machine.folios.lruAddDrainAll();
  }

  private policy({ task, mode, mask }: Step & { kind: 'policy' }): void {
    const found = this.task(task);
    this.machine.sys.setMempolicy.setMempolicy(found.struct, mode, maskOf(mask));
    this.refill(found);
  }

  private bind({ mode, mask, flags }: Step & { kind: 'bind' }): void {
    const task = this.task(0);
    const { struct } = task;
    this.machine.work.runAs(struct);
    const len = PROGRAM_PAGES * 4096;
    this.machine.sys.mbind.mbind(struct, { start: 0, len, mode, mask: maskOf(mask), flags });
    task.madvise(0, FRESH_PAGES, MADV_DONTNEED);
    for (let vpn = 0; vpn < FRESH_PAGES && task.alive; vpn++) task.write(vpn);
  }

  private move({ nid, pages }: Step & { kind: 'move' }): void {
    this.task(0).movePages(
      Array.from({ length: pages }, (_, vpn) => vpn),
      nid,
    );
  }

  private migrate({ from, to }: Step & { kind: 'migrate' }): void {
    const { struct } = this.task(0);
    this.machine.work.runAs(struct);
    const args = { pid: 0, from: maskOf(from), to: maskOf(to) };
    this.machine.sys.migratePages.migratePages(struct, args);
  }

  private confine({ task, mask }: Step & { kind: 'confine' }): void {
    const { cgroups, pseudoFiles } = this.machine;
    const found = this.task(task);
    cgroups.writeSubtreeControl(cgroups.root, '+cpuset');
    const name = `g${this.names++}`;
    cgroups.mkdir(name);
    const group = cgroups.find(name);
    if (group === null) return;
    pseudoFiles.write(`/sys/fs/cgroup/${name}/cpuset.mems`, maskOf(mask).nodes.join());
    cgroups.attach(found.struct, group);
    this.found ??= this.structure();
    this.refill(found);
  }

  /** Takes pages anew in an area without a policy of its own. */
  private refill(task: Task): void {
    if (!task.alive) return;
    task.munmap(0, FRESH_PAGES);
    task.mmap(0, FRESH_PAGES);
    for (let vpn = 0; vpn < FRESH_PAGES && task.alive; vpn++) task.write(vpn);
  }

  private reclaim({ nid }: Step & { kind: 'reclaim' }): void {
    this.write({ kind: 'write', task: 0, pages: RECLAIM_PAGES });
    this.machine.pseudoFiles.write(`/sys/devices/system/node/node${nid}/reclaim`, '1M');
  }

  /** What reclaim does with cold folios of a node. */
  private demote({ nid }: Step & { kind: 'demote' }): void {
    const task = this.task(0);
    this.refill(task);
    const { folios, ptes, nodes } = this.machine;
    folios.lruAddDrainAll();
    const mapped = Array.from({ length: FRESH_PAGES }, (_, vpn) => {
      const slot = ptes.find(task.mm.id, vpn);
      return slot < 0 ? -1 : (ptes.value[slot] ?? -1);
    });
    const own = mapped.filter((pfn) => pfn >= 0 && nodes.nidOf(pfn) === nid);
    const list = own.filter((pfn) => folios.isolateLru(pfn));
    this.demotion?.demoteFolioList(list, nid);
    this.machine.migrate.waitForBatches();
    for (const folio of list) folios.putbackLru(folio);
  }

  /**
   * Takes all ordinary memory, so that a request that cannot be served must fail at once: it may
   * not hope for memory of a node that it may not have.
   */
  private exhaust(): void {
    const { zoneAlloc, pageAlloc, nodes } = this.machine;
    for (const index of [...this.tasks.keys()]) this.end(index);
    for (const nid of nodes.inState(N_MEMORY)) {
      const request = { gfp: GFP_HIGHUSER_MOVABLE | __GFP_THISNODE, order: 0, nid, nodemask: null };
      for (let pfn = 0; pfn >= 0; ) {
        pfn = zoneAlloc.getPageFromFreelist(request, 'none');
        if (pfn >= 0) this.held.push(pfn);
      }
    }
    const before = this.stalls();
    const gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL;
    const pfn = pageAlloc.alloc({ gfp, order: 0, nid: PRIVATE[0], nodemask: null });
    if (pfn >= 0) this.held.push(pfn);
    else if (this.stalls() - before > STALLS_MAX) this.found ??= 'a request hoped for a node';
    this.release();
  }

  private stalls(): number {
    const counts = Object.entries(this.machine.vmstat());
    return counts.reduce((sum, [name, n]) => (name.startsWith('allocstall') ? sum + n : sum), 0);
  }

  private exit({ task }: Step & { kind: 'exit' }): void {
    this.end(task);
  }

  private end(index: number): void {
    const found = this.tasks.get(index);
    if (found?.alive) found.exit();
    this.tasks.delete(index);
  }

  private replug({ nid }: Step & { kind: 'replug' }): void {
    const { nodes, hotplug } = this.machine;
    const online = nodes.pgdat(nid).managedPages() > 0;
    const isPrivate = PRIVATE.some((other) => other === nid);
    if (isPrivate && online) this.hotplug?.offline_and_remove_private_memory(nid);
    else if (isPrivate) this.plug(nid);
    else if (online) hotplug.offlinePages(nid);
    else hotplug.onlinePages(nid, null);
  }

  private release(): void {
    for (const pfn of this.held.splice(0)) this.machine.folios.put(pfn);
  }

  private task(index: number): Task {
    const known = this.tasks.get(index);
    if (known?.alive) return known;
    const made = this.machine.createTask(`t${this.names++}`, 0);
    made.mmap(0, PROGRAM_PAGES);
    this.tasks.set(index, made);
    return made;
  }
}

function configOf({ pages, distance, secondNs }: WorldShape): Parameters<typeof createMachine>[0] {
  const near = distance;
  return {
    seed: 1,
    nodes: [
      { id: 0, pages: pages[0], cpus: 2 },
      { id: 1, pages: pages[1], online: false, lineNs: 400 },
      { id: 2, pages: pages[2], cpus: 1, lineNs: secondNs },
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

function maskOf(bits: number): { nodes: number[]; maxnode: number } {
  return { nodes: [0, 1, 2, 3].filter((nid) => (bits & (1 << nid)) !== 0), maxnode: 65 };
}
