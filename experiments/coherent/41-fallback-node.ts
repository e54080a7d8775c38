/**
 * Row 41: Gregory Price mentions a flag that would put a private node back into the fallback lists
 * and keep only its callbacks. A program that does not fit in DRAM runs over an ordinary node, over
 * such a node, and over a private one; then everything is done to its pages that a driver may want
 * to hear of.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  __GFP_THISNODE,
  createMachine,
  diskSwap,
  GFP_HIGHUSER_MOVABLE,
  GRANT_NAMES,
  type HookName,
  type Machine,
  ManagedToken,
  type Plugin,
  PROT_READ,
  PROT_WRITE,
  replay,
  Task,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  movingOps,
  type NodePrivateOps,
  NP_OPS_MIGRATION,
} from '@mm-lab/node-private';
import { privateLab } from '../node/kit.ts';
import { areasOf, DEVICE, DRAM, type Recorded, recorded } from './kit.ts';

const NODES = [
  { id: DRAM, pages: 1024, cpus: 1 },
  { id: DEVICE, pages: 1024, movable: true, lineNs: 300 },
];
const HOOKS: readonly HookName[] = [
  'free_folio',
  'folio_split',
  'migrate_to',
  'folio_migrate',
  'memory_failure',
];
const ALL_GRANTS = Object.keys(GRANT_NAMES).reduce((sum, bit) => sum | Number(bit), 0);
/** Pages that the driver itself puts on the node afterwards. */
const OWN = 32;

/**
 * What a driver hears; each does what the core does without it. `handle_fault` is not among them:
 * it has no answer that means "as usual", so its driver would have to serve every fault there.
 */
const LISTENING: Omit<NodePrivateOps, 'flags'> = {
  free_folio: () => false,
  folio_split: () => undefined,
  memory_failure: () => undefined,
};

interface Arrangement {
  readonly name: string;
  /** What the driver says to get memory of its node. */
  readonly gfp: number;
  readonly build: () => Machine;
}

const ARRANGEMENTS: readonly Arrangement[] = [
  {
    ...{ name: 'ordinary node', gfp: 0 },
    build: () => createMachine({ seed: 1, nodes: NODES }, [swap()]),
  },
  {
    ...{ name: 'in fallback, with callbacks', gfp: 0 },
    build: () => createMachine({ seed: 1, nodes: NODES }, [swap(), owned()]),
  },
  {
    ...{ name: 'private node', gfp: GFP_PRIVATE },
    build: () => {
      const nodes = NODES.map((node) => ({ ...node, online: node.id === DRAM }));
      const services = [{ nid: DEVICE, flags: NP_OPS_MIGRATION, ops: LISTENING }];
      return privateLab({ nodes, services, plugins: [swap()] }).machine;
    },
  },
];

function swap(): Plugin {
  return diskSwap({ pages: 8192 });
}

/**
 * The callbacks of a private node on the folios of an ordinary one, which stays in every list and
 * takes folios as ordinary nodes do.
 */
function owned(): Plugin {
  return {
    name: 'owned',
    probe: (services) => {
      const managed = services.get(ManagedToken);
      const owner = managed.createOwner('in fallback', 'private-node');
      owner.seal(
        {
          free_folio: () => false,
          folio_split: () => undefined,
          memory_failure: () => undefined,
          ...movingOps(services),
        },
        ALL_GRANTS,
      );
      const [, node] = NODES;
      managed.claim(owner, 1024, node?.pages ?? 0);
    },
  };
}

/** Pages that the driver gets of its node while the program runs, without pushing anybody out. */
function gets(machine: Machine, gfp: number): number {
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  machine.zoneAlloc.drainAllPages();
  const own = gfp | GFP_HIGHUSER_MOVABLE | __GFP_THISNODE;
  const request = { gfp: own, order: 0, nid: DEVICE, nodemask: null };
  for (;;) {
    const pfn = machine.zoneAlloc.getPageFromFreelist(request, 'none');
    if (pfn < 0) break;
    held.push(pfn);
  }
  for (const pfn of held) machine.folios.put(pfn);
  return held.splice(0).length;
}

/** Everything that a driver may want to hear of, done to its own pages on the node. */
function useAll(machine: Machine): void {
  const driver = machine.createTask('driver');
  driver.mmap(0, OWN);
  for (let vpn = 0; vpn < OWN; vpn++) driver.write(vpn);
  driver.movePages([...Array(OWN).keys()], DEVICE);
  driver.mprotect(0, OWN, PROT_READ);
  driver.mprotect(0, OWN, PROT_READ | PROT_WRITE);
  const child = driver.fork('child');
  if (child instanceof Task) {
    for (let vpn = 0; vpn < OWN; vpn++) child.write(vpn);
    child.exit();
  }
  driver.movePages([...Array(OWN / 2).keys()], DRAM);
  const slot = machine.ptes.find(driver.mm.id, OWN - 1);
  machine.memoryFailure.memoryFailure(machine.ptes.value[slot] ?? 0, 0);
  driver.munmap(0, OWN);
}

/** Calls of each hook so far. */
function heard({ managed }: Machine): readonly number[] {
  return HOOKS.map((hook) => managed.hookCalls().get(hook) ?? 0);
}

function run({ name, gfp, build }: Arrangement, { trace }: Recorded): readonly (string | number)[] {
  const machine = build();
  const task = machine.createTask('program');
  let peak = 0;
  const usedThere = (): number => machine.usedPages(DEVICE);
  const { end } = replay(machine, task, trace, {
    progressRows: 1024,
    onProgress: () => {
      peak = Math.max(peak, usedThere());
    },
  });
  const played = heard(machine);
  const got = gets(machine, gfp);
  const probed = heard(machine);
  const calls = (): number[] =>
    heard(machine).map((count, at) => count - (probed[at] ?? 0) + (played[at] ?? 0));
  for (const { start, pages } of areasOf(task)) task.munmap(start, pages);
  const strangers = calls().reduce((sum, count) => sum + count, 0);
  useAll(machine);
  machine.verify();
  const swapped = machine.stats()['swap.out'] ?? 0;
  return [name, end, peak, got, swapped, strangers, ...calls()];
}

async function probe(): Promise<Figures> {
  const program = await recorded('matmul-c');
  const rows = ARRANGEMENTS.map((arrangement) => run(arrangement, program));
  const values: Record<string, number> = {};
  for (const [name, , peak, got, swapped, strangers, ...calls] of rows) {
    const key = String(name).replaceAll(/\W+/g, '_');
    values[`ordinary_pages.${key}`] = Number(peak);
    values[`driver_gets.${key}`] = Number(got);
    values[`swapped_out.${key}`] = Number(swapped);
    values[`calls_for_strangers.${key}`] = Number(strangers);
    values[`hooks_served.${key}`] = calls.filter((count) => Number(count) > 0).length;
  }
  return {
    values,
    tables: [
      {
        name: 'fallback',
        title: 'matmul-c in 1,024 pages of DRAM, then a driver’s own pages on the node',
        columns: [
          'node',
          'program',
          'ordinary pages there',
          'left for its driver',
          'swapped out',
          'calls for ordinary pages',
          ...HOOKS,
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What if a private node is back in the fallback lists and keeps its callbacks?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'In the lists, ordinary pages land on the node; on a private node none does.',
      holds: (results) =>
        results.figure('ordinary_pages.in_fallback_with_callbacks') > 0 &&
        results.figure('ordinary_pages.private_node') === 0,
    },
    {
      text: 'Callbacks about a folio do not depend on the lists; migrate_to is not needed there.',
      holds: (results) =>
        HOOKS.every((hook) => {
          const [, inFallback = 0, apart = 0] = results.column('fallback', hook).map(Number);
          return hook === 'migrate_to' ? inFallback === 0 : inFallback > 0 === apart > 0;
        }),
    },
    {
      text: 'But its driver hears of pages that it never handed out.',
      holds: (results) =>
        results.figure('calls_for_strangers.in_fallback_with_callbacks') > 0 &&
        results.figure('calls_for_strangers.private_node') === 0,
    },
    {
      text: 'What strangers have of the node its driver does not get; callbacks give nothing back.',
      holds: (results) =>
        results.figure('driver_gets.in_fallback_with_callbacks') ===
          results.figure('driver_gets.ordinary_node') &&
        results.figure('driver_gets.private_node') -
          results.figure('driver_gets.in_fallback_with_callbacks') >
          results.figure('ordinary_pages.in_fallback_with_callbacks') / 2,
    },
    {
      text: 'What the private node does not lend, the program pays for with swap.',
      holds: (results) =>
        results.figure('swapped_out.private_node') >
        results.figure('swapped_out.in_fallback_with_callbacks'),
    },
  ],
});
