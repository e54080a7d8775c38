import {
  createMachine,
  type Machine,
  N_MEMORY,
  N_MEMORY_PRIVATE,
  type Plugin,
  type Services,
  type Task,
  ZONE_NORMAL,
} from '@mm-lab/mm-core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  GFP_PRIVATE,
  type NodePrivate,
  type NodePrivateOps,
  NodePrivateToken,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_RECLAIM,
  nodePrivate,
  type PrivateHotplug,
  PrivateHotplugToken,
} from '../src/index.js';

const BLOCK = 32768;
const NODES = [1, 2] as const;
const RANGES = 2;
const TASKS = 2;
const PAGES = 16;

/** What happens to which of the nodes, ranges and tasks. */
interface Step {
  readonly what: (typeof STEPS)[number];
  readonly node: number;
  readonly range: number;
  readonly task: number;
}

const STEPS = [
  'add',
  'add plain',
  'set ops',
  'clear ops',
  'move in',
  'move out',
  'store',
  'fork',
  'exit',
  'sleep',
  'remove',
  'clear, then remove',
  'remove, then clear',
  'unregister',
] as const;

/** Two pluggable nodes of two ranges each, and tasks whose pages go there and back. */
class World {
  readonly machine: Machine;
  private readonly nodes: NodePrivate;
  private readonly hotplug: PrivateHotplug;
  private readonly tasks: Task[] = [];
  private readonly nps = NODES.map((nid) => ({ name: `node ${nid}` }));
  private readonly ops: readonly NodePrivateOps[];
  private orphaned = 0;

  constructor() {
    const found: { services?: Services } = {};
    const peek: Plugin = {
      name: 'peek',
      probe: (services) => {
        found.services = services;
      },
    };
    const room = (nid: number) => {
      const startPfn = (1 + (nid - 1) * RANGES) * BLOCK;
      return { type: ZONE_NORMAL, startPfn, spanned: RANGES * BLOCK, hotplugged: true };
    };
    const pluggable = NODES.map((id) => ({ id, pages: 0, online: false, zones: [room(id)] }));
    const nodes = [{ id: 0, pages: BLOCK, cpus: 1 }, ...pluggable];
    this.machine = createMachine({ seed: 1, nodes }, [nodePrivate(), peek]);
    if (found.services === undefined) throw new Error('the plugin was not probed');
    this.nodes = found.services.get(NodePrivateToken);
    this.hotplug = found.services.get(PrivateHotplugToken);
    this.ops = NODES.map((nid) => this.opsOf(nid));
    for (let at = 0; at < TASKS; at++) this.tasks.push(this.newTask(`task ${at}`));
  }

  run({ what, node, range, task: which }: Step): void {
    const nid = NODES[node] ?? 1;
    const np = this.nps[node] ?? { name: 'nobody' };
    const ops = this.ops[node] ?? { flags: 0 };
    const place = { base: (1 + (nid - 1) * RANGES + range) * BLOCK, pages: BLOCK };
    const task = this.tasks[which % this.tasks.length];
    const vpns = Array.from({ length: PAGES }, (_, vpn) => vpn);
    const { nodes, hotplug, machine } = this;
    const remove = (): number => hotplug.offline_and_remove_private_range(nid, place);
    if (what === 'add') hotplug.add_private_range(nid, np, { ...place, onlineType: 'online' });
    if (what === 'add plain') this.addPlain(nid, place);
    if (what === 'set ops') nodes.node_private_set_ops(nid, ops);
    if (what === 'clear ops') nodes.node_private_clear_ops(nid, ops);
    if (what === 'move in') task?.movePages(vpns, nid);
    if (what === 'move out') task?.movePages(vpns, 0);
    if (what === 'store') for (const vpn of vpns) task?.write(vpn);
    if (what === 'fork' && this.tasks.length < 4) this.fork(task);
    if (what === 'exit') this.replace(which % this.tasks.length);
    if (what === 'sleep') machine.sleep(1e8);
    if (what === 'remove') remove();
    if (what === 'clear, then remove') {
      nodes.node_private_clear_ops(nid, ops);
      remove();
    }
    if (what === 'remove, then clear') {
      remove();
      nodes.node_private_clear_ops(nid, ops);
    }
    if (what === 'unregister') {
      const isOnline = machine.nodes.hasState(nid, N_MEMORY_PRIVATE);
      expect(nodes.node_private_unregister(nid) < 0).toBe(isOnline && nodes.refsOf(nid) > 0);
    }
    this.check();
  }

  private addPlain(nid: number, place: { base: number; pages: number }): void {
    if (this.machine.blocks.add(nid, place) < 0) return;
    for (const block of this.machine.blocks.within(nid, place)) {
      this.machine.blocks.setState(block, 'online');
    }
  }

  private fork(task: Task | undefined): void {
    const child = task?.fork('child');
    if (child !== undefined && typeof child !== 'number') this.tasks.push(child);
  }

  private replace(which: number): void {
    this.tasks[which]?.exit();
    this.tasks[which] = this.newTask('fresh');
  }

  private newTask(name: string): Task {
    const task = this.machine.createTask(name);
    task.mmap(0, PAGES);
    for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
    return task;
  }

  private opsOf(nid: number): NodePrivateOps {
    const { machine } = this;
    const note = (): void => {
      if (this.nodes.refsOf(nid) < 1) this.orphaned++;
    };
    return {
      flags: NP_OPS_MIGRATION | NP_OPS_DEMOTION | NP_OPS_RECLAIM,
      migrate_to: (list, to, mode, reason) => {
        note();
        const newFolio = (): number =>
          machine.zoneAlloc.alloc({ gfp: GFP_PRIVATE, order: 0, nid: to, nodemask: null });
        return machine.migrate.migratePages(list, { newFolio, mode, reason }).rc;
      },
      folio_migrate: note,
      free_folio: () => {
        note();
        return false;
      },
    };
  }

  private check(): void {
    const { machine, nodes } = this;
    for (const nid of NODES) {
      const isPrivate = machine.nodes.hasState(nid, N_MEMORY_PRIVATE);
      expect(machine.nodes.hasState(nid, N_MEMORY) && isPrivate).toBe(false);
      if (isPrivate) expect(nodes.refsOf(nid)).toBeGreaterThan(0);
      if (nodes.refsOf(nid) < 0) expect(nodes.opsOf(nid)).toBe(null);
    }
    expect(this.orphaned).toBe(0);
    expect(machine.zoneAlloc.leakedAllocations).toBe(0);
    for (const task of this.tasks) {
      for (let vpn = 0; vpn < PAGES; vpn++) expect(task.read(vpn)).toBe('ok');
    }
  }
}

test('two nodes of two ranges, several tasks, ordinary hot-add between: the rules hold', () => {
  const step = fc.record({
    what: fc.constantFrom(...STEPS),
    node: fc.nat(NODES.length - 1),
    range: fc.nat(RANGES - 1),
    task: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
      const world = new World();
      for (const one of steps) world.run(one);
      world.machine.verify();
    }),
    { numRuns: 25, seed: 4 },
  );
});
