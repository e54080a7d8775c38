/**
 * Row 13: could ZONE_DEVICE do it? One recorded program, whose runtime sends all of its memory to
 * the device every eighth of the run, on ordinary memory, a private node, the coherent driver on
 * one, and both kinds of ZONE_DEVICE.
 */
import { fileURLToPath } from 'node:url';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { replay } from '@mm-lab/mm-core';
import { NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { burdenOf } from '../../scripts/burden/count.ts';
import { DRIVERS } from '../../scripts/burden/groups.ts';
import {
  areasOf,
  BACKENDS,
  COHERENT_FILLED,
  type DeviceBackend,
  onDevice,
  type Recorded,
  recorded,
  type WantedLab,
} from './kit.ts';
import { SERVICE_COUNT, servicesOf } from './services/page.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OFFLOADS = 8;
/** Those of all experiments, and the coherent driver with what migrate_vma takes. */
const WAYS = [...BACKENDS.slice(0, 3), COHERENT_FILLED, ...BACKENDS.slice(3)];
const SIZE = { dramPages: 4096, devicePages: 2048 };

interface Row {
  readonly name: string;
  readonly cells: readonly (string | number)[];
}

function run(backend: DeviceBackend<WantedLab>, { trace }: Recorded, services: number): Row {
  const lab = backend.build(SIZE);
  const { machine } = lab;
  const task = machine.createTask('program');
  let movedIn = 0;
  const offload = (): void => {
    const before = onDevice(machine, task);
    for (const { start, pages } of areasOf(task)) lab.toDevice(task, start, pages);
    movedIn += onDevice(machine, task) - before;
  };
  const events = Array.from({ length: OFFLOADS - 1 }, (_, at) => ({
    row: Math.floor(((at + 1) * trace.rows) / OFFLOADS),
    apply: offload,
  }));
  const { accesses } = replay(machine, task, trace, { events });
  const nsPerAccess = machine.clock.now / accesses;
  const faults = machine.stats()['vmstat.pgfault'] ?? 0;
  const left = onDevice(machine, task);
  machine.verify();
  const special = machine.sites.report().filter(({ managed }) => managed > 0).length;
  const calls = [...machine.managed.hookCalls().values()].reduce((sum, count) => sum + count, 0);
  return {
    name: backend.name,
    cells: [
      movedIn,
      movedIn - left,
      faults,
      Math.round(100 * nsPerAccess) / 100,
      special,
      calls,
      lab.callbacks(),
      driverFunctions(backend),
      services,
    ],
  };
}

/** Functions of memory management that the driver has, without its mirror of page tables. */
function driverFunctions({ driver }: DeviceBackend): number | string {
  const found = DRIVERS.find(({ name }) => name === driver);
  if (found === undefined) return '–';
  let functions = 0;
  for (const [group, burden] of burdenOf(ROOT, found)) {
    if (!group.startsWith('mirror')) functions += burden.functions;
  }
  return functions;
}

async function probe(): Promise<Figures> {
  const program = await recorded('matmul-c');
  const onNode = servicesOf('N_MEMORY_PRIVATE', { flags: NP_OPS_MIGRATION });
  const services: Readonly<Record<string, number>> = {
    N_MEMORY: SERVICE_COUNT,
    'private node': onNode,
    'device-coherent': onNode,
    [COHERENT_FILLED.name]: onNode,
    DEVICE_COHERENT: servicesOf('DEVICE_COHERENT'),
    DEVICE_PRIVATE: servicesOf('DEVICE_PRIVATE'),
  };
  const found = WAYS.map((backend) => run(backend, program, services[backend.name] ?? 0));
  const values: Record<string, number> = {};
  for (const { name, cells } of found) {
    const key = name.replaceAll(/\W/g, '_');
    const [moved, back, faults, ns] = cells.map(Number);
    values[`moved_in.${key}`] = moved ?? 0;
    values[`moved_back.${key}`] = back ?? 0;
    values[`faults.${key}`] = faults ?? 0;
    values[`ns_per_access.${key}`] = ns ?? 0;
    values[`services.${key}`] = services[name] ?? 0;
  }
  return {
    values,
    tables: [
      {
        name: 'backends',
        title: `matmul-c, all of its pages sent to the device ${OFFLOADS - 1} times`,
        columns: [
          'backend',
          'moved in',
          'moved back',
          'faults',
          'ns per access',
          'special sites',
          'hook calls',
          'callbacks',
          'driver functions',
          `services of ${SERVICE_COUNT}`,
        ],
        rows: found.map(({ name, cells }) => [name, ...cells]),
      },
    ],
  };
}

export default defineProbe({
  question: 'What does the same work take on a private node and on ZONE_DEVICE?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Every backend takes the pages that its program sends.',
      holds: (results) =>
        results.column('backends', 'moved in').every((pages) => Number(pages) > 0),
    },
    {
      text: 'Where the CPU reaches the device in place nothing comes back by itself.',
      holds: (results) =>
        ['private_node', 'device_coherent', 'device_coherent__holes_too', 'DEVICE_COHERENT'].every(
          (name) => results.figure(`moved_back.${name}`) === 0,
        ),
    },
    {
      text: 'DEVICE_PRIVATE pays one fault more for each page that the program touches again.',
      holds: (results) =>
        results.figure('moved_back.DEVICE_PRIVATE') > 0 &&
        results.figure('faults.DEVICE_PRIVATE') - results.figure('faults.N_MEMORY') ===
          results.figure('moved_back.DEVICE_PRIVATE'),
    },
    {
      text: 'With the same pages DEVICE_COHERENT and a private node cost alike; services differ.',
      holds: (results) =>
        results.figure('moved_in.DEVICE_COHERENT') ===
          results.figure('moved_in.device_coherent__holes_too') &&
        Math.abs(
          results.figure('ns_per_access.DEVICE_COHERENT') /
            results.figure('ns_per_access.device_coherent__holes_too') -
            1,
        ) < 0.001 &&
        results.figure('services.DEVICE_COHERENT') < results.figure('services.device_coherent'),
    },
    {
      text: 'migrate_vma takes zero pages too; a move of pages leaves them in DRAM.',
      holds: (results) =>
        results.figure('moved_in.DEVICE_COHERENT') > results.figure('moved_in.device_coherent'),
    },
  ],
});
