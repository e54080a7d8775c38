/**
 * H14: the same recorded programs on ordinary memory, CRAM, a coherent driver on a private node,
 * DEVICE_COHERENT, DEVICE_PRIVATE and zswap. DRAM holds three quarters of a program. Where pages
 * move only when somebody says so, the program's runtime says so: sixteen times in a run it sends
 * what it has not touched since the last time.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import {
  __GFP_THISNODE,
  type AccessTrace,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  type Machine,
  type ReplayEvent,
  replay,
  type Task,
} from '@mm-lab/mm-core';
import { NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { CRAM_FLAGS } from '../../scripts/burden/groups.ts';
import { churn, DRAM_PAGES, type HugePages, mixedChurn } from './churn.ts';
import {
  COHERENT,
  DEVICE,
  DEVICE_COHERENT,
  DEVICE_PRIVATE,
  type DeviceBackend,
  type DeviceLab,
  HUGE,
  ORDINARY,
  onDevice,
  pagesOf,
  type Recorded,
  recorded,
} from './kit.ts';
import { CRAM, ZONE_DEVICE_COMPRESS, ZSWAP } from './more-backends.ts';
import { SERVICE_COUNT, servicesOf } from './services/page.ts';

const WINDOWS = 16;
/** Pages that stay after churn. */
const SURVIVORS = 16;
/** How often churn and mix are played, each time with another order. */
const SEEDS = 8;
/** What strangers ask for, so often each. */
const STRANGERS = [GFP_KERNEL, GFP_KERNEL | __GFP_THISNODE, GFP_HIGHUSER_MOVABLE];
const TRIES = 16;
const REQUESTS = STRANGERS.length * TRIES;
/** Names of the programs in figures. */
const PROGRAMS = ['matmul_c', 'redis_kv'] as const;
const HUGE_PAGES = 4;
const DEVICE_PAGES = HUGE_PAGES * HUGE;
const MILLION = 1_000_000;
/** Rows of the larger program: a tenth of its run. */
const ROWS = 70_000;

interface Way {
  readonly backend: DeviceBackend;
  /** Does the program's runtime send pages, as nobody else would? */
  readonly runtime: boolean;
  /** Can a program fill the device and empty it at will? */
  readonly onDemand: boolean;
  readonly services: () => number;
}

const WAYS: readonly Way[] = [
  { backend: ORDINARY, runtime: false, onDemand: true, services: () => SERVICE_COUNT },
  {
    ...{ backend: CRAM, runtime: false, onDemand: true },
    services: () => servicesOf('N_MEMORY_PRIVATE', { flags: CRAM_FLAGS }),
  },
  {
    ...{ backend: COHERENT, runtime: true, onDemand: true },
    services: () => servicesOf('N_MEMORY_PRIVATE', { flags: NP_OPS_MIGRATION }),
  },
  {
    ...{ backend: DEVICE_COHERENT, runtime: true, onDemand: true },
    services: () => servicesOf('DEVICE_COHERENT'),
  },
  {
    ...{ backend: ZONE_DEVICE_COMPRESS, runtime: false, onDemand: false },
    services: () => servicesOf('DEVICE_PRIVATE'),
  },
  { backend: ZSWAP, runtime: false, onDemand: false, services: () => SERVICE_COUNT },
];

function sizeOf({ trace }: Recorded): { readonly dramPages: number; readonly devicePages: number } {
  return { dramPages: Math.ceil((trace.pages * 3) / 4), devicePages: DEVICE_PAGES };
}

/** Runs of pages that the rows of a window leave alone and that an area has. */
function sendIdle(lab: DeviceLab, task: Task, touched: ReadonlySet<number>): void {
  const { machine } = lab;
  const idle: { start: number; pages: number }[] = [];
  machine.ptes.walk(task.mm.id, 0, Infinity, (slot, vpn) => {
    if (machine.ptes.bits[slot] === 0 || touched.has(vpn)) return;
    const last = idle.at(-1);
    if (last !== undefined && last.start + last.pages === vpn) last.pages++;
    else idle.push({ start: vpn, pages: 1 });
  });
  for (const { start, pages } of idle) lab.toDevice(task, start, pages);
}

function runtimeOf(lab: DeviceLab, trace: AccessTrace): readonly ReplayEvent[] {
  return Array.from({ length: WINDOWS - 1 }, (_, at) => {
    const from = Math.floor((at * trace.rows) / WINDOWS);
    const row = Math.floor(((at + 1) * trace.rows) / WINDOWS);
    return {
      row,
      apply: (task: Task) => {
        const touched = new Set<number>();
        for (let done = from; done < row; done++) {
          const slot = (trace.ref[done] ?? 0) >> 1;
          touched.add((trace.regions[slot >> 9] ?? 0) * HUGE + (slot & (HUGE - 1)));
        }
        sendIdle(lab, task, touched);
      },
    };
  });
}

/** Allocations of strangers that end on the device: kernel loops, and a program of its own. */
function forbidden(machine: Machine): number {
  if (!machine.nodes.exists(DEVICE)) return 0;
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  for (const gfp of STRANGERS) {
    for (let at = 0; at < TRIES; at++) {
      const pfn = machine.zoneAlloc.alloc({ gfp, order: 0, nid: DEVICE, nodemask: null });
      if (pfn >= 0) held.push(pfn);
    }
  }
  const found = held.filter((pfn) => machine.nodes.nidOf(pfn) === DEVICE).length;
  for (const pfn of held.splice(0)) machine.folios.put(pfn);
  return found;
}

interface Played {
  readonly faults: number;
  readonly major: number;
  readonly nsPerAccess: number;
  readonly there: number;
  readonly swapped: number;
}

function play({ backend, runtime }: Way, program: Recorded): Played {
  const size = { ...sizeOf(program), sysctl: { demotion_enabled: true } };
  const lab = backend.build({ ...size, contents: pagesOf(program) });
  const { machine } = lab;
  const task = machine.createTask('program');
  const events = runtime ? runtimeOf(lab, program.trace) : [];
  const { accesses, end } = replay(machine, task, program.trace, { events });
  if (end !== 'done') throw new Error(`${backend.name}: the program was ${end}`);
  const stats = machine.stats();
  machine.verify();
  const perMillion = (count: number): number => Math.round((count * 10 * MILLION) / accesses) / 10;
  return {
    faults: perMillion(stats['vmstat.pgfault'] ?? 0),
    major: perMillion(stats['fault.major'] ?? 0),
    nsPerAccess: Math.round((100 * machine.clock.now) / accesses) / 100,
    there: onDevice(machine, task),
    swapped: stats['swap.out'] ?? 0,
  };
}

/**
 * Huge pages of each memory, the test device's chunks among them. A driver that moves by itself
 * allocates base pages only, and zswap has no memory of its own: there is nothing to ask.
 */
function hugeRows(values: Record<string, number>): string[][] {
  const rows = WAYS.map(({ backend, onDemand }) => {
    if (onDemand) return hugeRow(backend, values);
    return [backend.name, ...Array<string>(4).fill('–')];
  });
  return [...rows, hugeRow(DEVICE_PRIVATE, values)];
}

/** When new, after churn, with survivors and in the mix; all but the first over all seeds. */
function hugeRow(backend: DeviceBackend, values: Record<string, number>): string[] {
  const whenNew = backend.build({ dramPages: DRAM_PAGES, devicePages: DEVICE_PAGES }).hugePages();
  const left = (survivors: number): HugePages =>
    overSeeds((seed) => churn(backend, { devicePages: DEVICE_PAGES, survivors, seed }));
  const found = {
    huge: left(0),
    huge_survivors: left(SURVIVORS),
    huge_mixed: overSeeds((seed) => mixedChurn(backend, seed)),
  };
  const key = keyOf(backend);
  values[`huge_new.${key}`] = whenNew;
  values[`huge_mixed_could.${key}`] = found.huge_mixed.could;
  for (const [name, { had }] of Object.entries(found)) values[`${name}.${key}`] = had;
  const cells = Object.values(found).map(({ had, could }) => `${had} of ${could}`);
  return [backend.name, `${whenNew} of ${HUGE_PAGES}`, ...cells];
}

function overSeeds(run: (seed: number) => HugePages): HugePages {
  const runs = Array.from({ length: SEEDS }, (_, at) => run(at + 1));
  return {
    had: runs.reduce((sum, { had }) => sum + had, 0),
    could: runs.reduce((sum, { could }) => sum + could, 0),
  };
}

function keyOf({ name }: DeviceBackend): string {
  return name.replaceAll(/\W+/g, '_');
}

/** Is the device gone, with pages of a program on it? */
function unplug({ backend, onDemand }: Way): string {
  const lab = backend.build({ dramPages: 4096, devicePages: DEVICE_PAGES });
  const task = lab.machine.createTask('program');
  task.mmap(0, HUGE);
  for (let vpn = 0; vpn < HUGE; vpn++) task.write(vpn);
  if (onDemand) lab.toDevice(task, 0, HUGE);
  const rc = lab.unplug();
  return rc === 0 ? 'yes' : String(rc);
}

function strangers({ backend }: Way): number {
  const { machine } = backend.build({ dramPages: 4096, devicePages: DEVICE_PAGES });
  return forbidden(machine);
}

async function probe(): Promise<Figures> {
  const programs = [await recorded('matmul-c'), await recorded('redis-kv', ROWS)];
  const values: Record<string, number> = {};
  const runs = programs.flatMap((program) =>
    WAYS.map((way) => {
      const played = play(way, program);
      const { name } = program.trace;
      const key = `${name.replaceAll(/\W+/g, '_')}.${keyOf(way.backend)}`;
      values[`faults.${key}`] = played.faults;
      values[`ns_per_access.${key}`] = played.nsPerAccess;
      values[`swapped.${key}`] = played.swapped;
      return [name, way.backend.name, ...Object.values(played)];
    }),
  );
  const scores = WAYS.map((way) => {
    const key = keyOf(way.backend);
    const cells = [strangers(way), unplug(way), way.services()];
    values[`forbidden.${key}`] = Number(cells[0]);
    values[`services.${key}`] = Number(cells[2]);
    return [way.backend.name, ...cells];
  });
  const huge = hugeRows(values);
  return {
    values,
    tables: [
      {
        name: 'runs',
        title: 'DRAM holds three quarters of the program; per million accesses where not said',
        columns: [
          'program',
          'memory',
          'faults',
          'major faults',
          'ns per access',
          'on the device at the end',
          'pages swapped out',
        ],
        rows: runs,
      },
      {
        name: 'scores',
        title: `Of ${REQUESTS} requests that do not ask; of ${SERVICE_COUNT} services`,
        columns: ['memory', 'forbidden allocations', 'unplugged with pages', 'services'],
        rows: scores,
      },
      {
        name: 'huge',
        title: `Huge pages to be had of those free, ${SEEDS} seeds; –: no huge pages by design`,
        columns: ['memory', 'when new', 'after churn', `with ${SURVIVORS} pages left`, 'in a mix'],
        rows: huge,
      },
    ],
  };
}

export default defineProbe({
  question: 'Private nodes, ZONE_DEVICE, ordinary memory or zswap: which is what?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Only ordinary memory is given to who does not ask.',
      holds: (results) => {
        const names = results.column('scores', 'memory');
        return results
          .column('scores', 'forbidden allocations')
          .every((count, at) => Number(count) > 0 === (names[at] === 'N_MEMORY'));
      },
    },
    {
      text: 'The buddy allocator makes huge pages again after churn; a chunk cut up stays cut up.',
      holds: (results) =>
        ['N_MEMORY', 'CRAM', 'device_coherent'].every(
          (key) => results.figure(`huge.${key}`) === SEEDS * results.figure(`huge_new.${key}`),
        ) &&
        results.figure('huge.DEVICE_PRIVATE') < SEEDS * results.figure('huge_new.DEVICE_PRIVATE'),
    },
    {
      text: 'In a mix of buffers the buddy allocator keeps more whole than chunks do, not all.',
      holds: (results) => {
        const node = results.figure('huge_mixed.device_coherent');
        const could = results.figure('huge_mixed_could.device_coherent');
        return node > results.figure('huge_mixed.DEVICE_PRIVATE') && node < could;
      },
    },
    {
      text: 'A coherent private node has as many huge pages as an ordinary one, whatever was left.',
      holds: (results) =>
        ['huge_new', 'huge', 'huge_survivors', 'huge_mixed'].every(
          (name) =>
            results.figure(`${name}.device_coherent`) === results.figure(`${name}.N_MEMORY`),
        ),
    },
    {
      text: 'Coherent memory costs them the same within 2 %, on a node and on ZONE_DEVICE.',
      holds: (results) =>
        PROGRAMS.every((program) => {
          const node = results.figure(`ns_per_access.${program}.device_coherent`);
          const zone = results.figure(`ns_per_access.${program}.DEVICE_COHERENT`);
          return Math.abs(node / zone - 1) < 0.02;
        }),
    },
    {
      text: 'DEVICE_PRIVATE faults more only where the program comes back to what was demoted.',
      holds: (results) => {
        const [matmul, redis] = PROGRAMS.map(
          (program) =>
            results.figure(`faults.${program}.DEVICE_PRIVATE_compressing`) -
            results.figure(`faults.${program}.device_coherent`),
        );
        return matmul !== undefined && matmul > 0 && redis === 0;
      },
    },
  ],
});
