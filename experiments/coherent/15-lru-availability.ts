/**
 * Row 15: a device is full, half of its pages are in use and half are cold, and somebody wants a
 * quarter of it, bit by bit. Who chooses what has to go, and what goes?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { NP_OPS_MIGRATION, NP_OPS_RECLAIM } from '@mm-lab/node-private';
import {
  BACKENDS,
  COHERENT_COLD,
  type DeviceBackend,
  HUGE,
  onDevice,
  privateNodeBackend,
  type WantedLab,
} from './kit.ts';

const SIZE = { dramPages: 8192, devicePages: 2 * HUGE };
/** Pages of the program on the device; the first half are read again and again. */
const PAGES = 960;
const HOT = PAGES / 2;
const WANTED = SIZE.devicePages / 4;
const PORTIONS = 16;

const RECLAIMED = privateNodeBackend('private node, RECLAIM', NP_OPS_MIGRATION | NP_OPS_RECLAIM);
const WAYS: readonly DeviceBackend<WantedLab>[] = [
  ...BACKENDS.slice(0, 2),
  RECLAIMED,
  COHERENT_COLD,
  ...BACKENDS.slice(2),
];

function press(backend: DeviceBackend<WantedLab>): readonly (string | number)[] {
  const lab = backend.build(SIZE);
  const { machine } = lab;
  const task = machine.createTask('program');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  lab.toDevice(task, 0, PAGES);
  const read = (): void => {
    for (let vpn = 0; vpn < HOT; vpn++) task.read(vpn);
    machine.sleep(1e8);
  };
  read();
  const hot = onDevice(machine, task, 0, HOT);
  const cold = onDevice(machine, task, HOT, PAGES);
  let gained = 0;
  for (let portion = 0; portion < PORTIONS; portion++) {
    gained += lab.makeRoom(WANTED / PORTIONS);
    read();
  }
  const hotLeft = hot - onDevice(machine, task, 0, HOT);
  const coldLeft = cold - onDevice(machine, task, HOT, PAGES);
  machine.verify();
  return [backend.name, hot, cold, gained, coldLeft, hotLeft, cold - coldLeft];
}

function probe(): Figures {
  const rows = WAYS.map(press);
  const values: Record<string, number> = {};
  for (const [name, , , gained, cold, hot, stuck] of rows) {
    const key = String(name).replaceAll(/\W+/g, '_');
    values[`gained.${key}`] = Number(gained);
    values[`cold_left.${key}`] = Number(cold);
    values[`hot_left.${key}`] = Number(hot);
    values[`stuck.${key}`] = Number(stuck);
  }
  return {
    values,
    tables: [
      {
        name: 'room',
        title: `${WANTED} of ${SIZE.devicePages} pages wanted; ${HOT} of the program’s are hot`,
        columns: [
          'backend',
          'hot there',
          'cold there',
          'gained',
          'cold that left',
          'hot that left',
          'cold that stayed',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'Who finds the cold pages of a device that is full?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With RECLAIM a private node makes room as an ordinary node does.',
      holds: (results) =>
        results.figure('gained.private_node_RECLAIM') === results.figure('gained.N_MEMORY') &&
        results.figure('gained.N_MEMORY') === WANTED,
    },
    {
      text: 'Its LRU spares most hot pages.',
      holds: (results) =>
        results.figure('hot_left.private_node_RECLAIM') <
        results.figure('cold_left.private_node_RECLAIM') / 2,
    },
    {
      text: 'Without the flag nothing leaves, and the request gets what was free.',
      holds: (results) =>
        results.figure('cold_left.private_node') + results.figure('hot_left.private_node') === 0 &&
        results.figure('gained.private_node') < WANTED,
    },
    {
      text: 'With the reverse map of its pages a driver of a private node spares hot ones itself.',
      holds: (results) =>
        results.figure('hot_left.device_coherent_cold_first') <
          results.figure('cold_left.device_coherent_cold_first') / 4 &&
        results.figure('gained.device_coherent_cold_first') > WANTED / 2,
    },
    {
      text: 'A driver without ageing of its own throws hot pages out with the cold ones.',
      holds: (results) =>
        ['device_coherent', 'DEVICE_COHERENT'].every(
          (name) => results.figure(`hot_left.${name}`) === HOT,
        ),
    },
  ],
});
