/**
 * Row 41: Gregory Price mentions a flag that would put a private node back into the fallback lists
 * and keep only its callbacks. A program that does not fit in DRAM runs over an ordinary node, over
 * such a node, and over a private one; then everything is done to its pages that a driver may want
 * to hear of.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  createMachine,
  diskSwap,
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
import { movingOps, type NodePrivateOps, NP_OPS_MIGRATION } from '@mm-lab/node-private';
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
  readonly build: () => Machine;
}

const ARRANGEMENTS: readonly Arrangement[] = [
  {
    name: 'ordinary node',
    build: () => createMachine({ seed: 1, nodes: NODES }, [swap()]),
  },
  {
    name: 'in fallback, with callbacks',
    build: () => createMachine({ seed: 1, nodes: NODES }, [swap(), owned()]),
  },
  {
    name: 'private node',
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

function run({ name, build }: Arrangement, { trace }: Recorded): readonly (string | number)[] {
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
  const calls = (hook: HookName): number => machine.managed.hookCalls().get(hook) ?? 0;
  for (const { start, pages } of areasOf(task)) task.munmap(start, pages);
  const strangers = HOOKS.reduce((sum, hook) => sum + calls(hook), 0);
  useAll(machine);
  machine.verify();
  const swapped = machine.stats()['swap.out'] ?? 0;
  return [name, end, peak, swapped, strangers, ...HOOKS.map(calls)];
}

async function probe(): Promise<Figures> {
  const program = await recorded('matmul-c');
  const rows = ARRANGEMENTS.map((arrangement) => run(arrangement, program));
  const values: Record<string, number> = {};
  for (const [name, , peak, swapped, strangers, ...calls] of rows) {
    const key = String(name).replaceAll(/\W+/g, '_');
    values[`ordinary_pages.${key}`] = Number(peak);
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
      text: 'What the private node does not lend, the program pays for with swap.',
      holds: (results) =>
        results.figure('swapped_out.private_node') >
        results.figure('swapped_out.in_fallback_with_callbacks'),
    },
  ],
});
