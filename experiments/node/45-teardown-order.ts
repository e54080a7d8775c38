/**
 * Row 45: the posted CXL driver unregisters CRAM first and takes the memory offline then. What
 * becomes of the pages that are on the node, and what if it is done the other way round?
 */
import { type Cram, CramToken, cram } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import type { Machine, Task } from '@mm-lab/mm-core';
import type { Mends } from '@mm-lab/node-private';
import { agreesWithKernel, nodeOf, type PrivateLab, privateLab, writer } from './kit.ts';

const DRAM = 0;
const DEVICE = 1;
const PAGES = 64;
/** How often the posted driver tries, once a second. */
const RETRIES_MAX = 60;

interface Scene {
  readonly lab: PrivateLab;
  readonly machine: Machine;
  readonly cram: Cram;
  readonly task: Task;
}

/** A node in CRAM's care with resident pages. */
function scene(mends: Mends = {}): Scene {
  const found: { cram?: Cram } = {};
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: DEVICE, pages: 512, online: false, movable: true },
    ],
    services: [{ nid: DEVICE, flags: null }],
    nodePrivate: mends,
    plugins: [
      cram(),
      {
        name: 'peek',
        probe: (services) => {
          found.cram = services.get(CramToken);
        },
      },
    ],
  });
  const { machine } = lab;
  const service = found.cram;
  if (service === undefined) throw new Error('CRAM is not there');
  service.cram_register_private_node(DEVICE, lab, null);
  const task = writer(machine, 'resident', PAGES);
  task.movePages([...Array(PAGES).keys()], DEVICE);
  return { lab, machine, cram: service, task };
}

/** Tries as the driver does. @returns tries until the memory was gone; null: it stays */
function offline({ lab }: Scene): number | null {
  for (let attempt = 1; attempt <= RETRIES_MAX; attempt++) {
    if (lab.hotplug.offline_and_remove_private_memory(DEVICE) === 0) return attempt;
  }
  return null;
}

/** One store to each page. @returns faults, and stores that ended on the device */
function store({ machine, task }: Scene): readonly [faults: number, onDevice: number] {
  const from = machine.vmstat().pgfault;
  let onDevice = 0;
  for (let vpn = 0; vpn < PAGES; vpn++) {
    task.write(vpn);
    if (nodeOf(machine, task, vpn) === DEVICE) onDevice++;
  }
  return [machine.vmstat().pgfault - from, onDevice];
}

/** Where the stores ended, in words if all of them did alike. */
function landed(onDevice: number): string {
  if (onDevice === 0) return 'stores land in DRAM';
  if (onDevice === PAGES) return 'stores land on the device';
  return `${onDevice} of ${PAGES} stores land on the device`;
}

const KERNEL: Readonly<Record<string, string>> = {
  'unregister first': 'stuck, stores land on the device, 1 fault each',
  'offline first': 'gone, stores land in DRAM, WARN',
  'unregister, then register again': 'gone',
};

interface OfflineFirst {
  readonly tries: number | null;
  readonly onDevice: number;
  readonly warnings: number;
}

/** The memory goes, then the service; then the task stores. */
function offlineFirst(mends: Mends = {}): OfflineFirst {
  const made = scene(mends);
  const tries = offline(made);
  const rc = made.cram.cram_unregister_private_node(DEVICE);
  const [, onDevice] = store(made);
  made.machine.verify();
  return { tries, onDevice, warnings: rc === 0 ? made.lab.warned() : -1 };
}

function tellOf({ tries, onDevice, warnings }: OfflineFirst): readonly [string | number, string] {
  const warn = warnings > 0 ? ', WARN' : '';
  return [tries ?? 'never', `${end(tries)}, ${landed(onDevice)}${warn}`];
}

function end(tries: number | null): string {
  return tries === null ? 'stuck' : 'gone';
}

function probe(): Figures {
  const posted = scene();
  posted.cram.cram_unregister_private_node(DEVICE);
  const postedTries = offline(posted);
  const [faults, onDevice] = store(posted);
  posted.machine.verify();

  const again = scene();
  again.cram.cram_unregister_private_node(DEVICE);
  again.lab.hotplug.offline_and_remove_private_memory(DEVICE);
  again.cram.cram_register_private_node(DEVICE, again.lab, null);
  const againTries = offline(again);

  const reverse = offlineFirst();
  const quiet = offlineFirst({ lateClear: 'mended' });

  const mended = scene({ teardown: 'mended' });
  const before = mended.machine.vmstat().pgmigrate_success;
  mended.cram.cram_unregister_private_node(DEVICE);
  const movedByMend = mended.machine.vmstat().pgmigrate_success - before;
  const mendedTries = offline(mended);
  const [, mendedOnDevice] = store(mended);
  mended.machine.verify();

  const rows = [
    [
      'unregister first',
      postedTries ?? 'never',
      `${end(postedTries)}, ${landed(onDevice)}, ${faults / PAGES} fault each`,
    ],
    ['unregister, then register again', againTries ?? 'never', end(againTries)],
    ['offline first', ...tellOf(reverse)],
    ['offline first, mended', ...tellOf(quiet)],
    [
      'unregister first, mended',
      mendedTries ?? 'never',
      `${end(mendedTries)}, ${landed(mendedOnDevice)}, ${movedByMend} pages moved`,
    ],
  ].map(([order = '', tries = '', model = '']) => [order, tries, model, KERNEL[order] ?? '–']);
  return {
    values: {
      'unregister_first.offline': Number(postedTries !== null),
      'unregister_first.stores_on_device': onDevice,
      'unregister_first.faults_per_store': faults / PAGES,
      'mended.offline_tries': mendedTries ?? 0,
      'mended.pages_moved': movedByMend,
      'mended.stores_on_device': mendedOnDevice,
      'offline_first.offline_tries': reverse.tries ?? 0,
      'offline_first.stores_on_device': reverse.onDevice,
      'offline_first.warnings': reverse.warnings,
      'offline_first.warnings_mended': quiet.warnings,
    },
    tables: [
      {
        name: 'teardown',
        title: `Teardown with ${PAGES} pages on the node (the driver tries ${RETRIES_MAX} times)`,
        columns: ['order', 'tries', 'model', 'kernel'],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'In which order can a node be torn down that CRAM still has pages on?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A kernel with the series ends the same way in each order.',
      holds: (results) => agreesWithKernel(results, 'teardown'),
    },
    {
      text: 'The posted order strands every page, and stores reach the device unseen.',
      holds: (results) =>
        results.figure('unregister_first.offline') === 0 &&
        results.figure('unregister_first.stores_on_device') === PAGES,
    },
    {
      text: 'Mended, unregistering moves every page first, and the posted order works.',
      holds: (results) =>
        results.figure('mended.pages_moved') === PAGES &&
        results.figure('mended.offline_tries') === 1 &&
        results.figure('mended.stores_on_device') === 0,
    },
    {
      text: 'The other order empties the node at the first try.',
      holds: (results) =>
        results.figure('offline_first.offline_tries') === 1 &&
        results.figure('offline_first.stores_on_device') === 0,
    },
    {
      text: 'It warns of ops that went with the memory; mended it does not.',
      holds: (results) =>
        results.figure('offline_first.warnings') === 1 &&
        results.figure('offline_first.warnings_mended') === 0,
    },
  ],
});
