/**
 * Row 1: how much special-casing is it? Every place of mm that asks about memory set apart, how
 * many of them each backend makes answer "special", and how often, over one program that uses as
 * many services of mm as it can.
 */
import { cxlCompressDevice } from '@mm-lab/backend-cxl-compress';
import { deviceCoherent } from '@mm-lab/backend-device-coherent';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { CramToken, cram } from '@mm-lab/cram';
import { defineProbe, type Figures, hookMap } from '@mm-lab/lab';
import {
  createMachine,
  diskSwap,
  MADV_COLD,
  MADV_FREE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  type Machine,
  MPOL_BIND,
  PAGE_SIZE,
  type Plugin,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '@mm-lab/mm-core';
import { NP_OPS_MEMPOLICY, NP_OPS_MIGRATION, nodePrivate } from '@mm-lab/node-private';
import { bind, placeOn, privateLab, writer } from './kit.ts';

const [DRAM, DEVICE] = [0, 1];
const RANGE = 64;
const PAGES = 1536;
const NODES = [
  { id: DRAM, pages: 1536, cpus: 1 },
  { id: DEVICE, pages: 1024, online: false, movable: true, lineNs: 300 },
];
const MACHINE = { seed: 1, nodes: NODES, sysctl: { demotion_enabled: true } };

/** Puts some pages of the task on the device, where the backend does not do so by itself. */
type Place = (task: Task) => void;

interface Backend {
  readonly name: string;
  readonly build: () => { readonly machine: Machine; readonly place?: Place };
}

const swap = (): Plugin => diskSwap({ pages: 4096 });
const RANGE_VPNS = [...Array(RANGE).keys()];

/** A private node as `privateLab` makes it. */
function plain(flags: number | null): ReturnType<Backend['build']> {
  const lab = privateLab({ ...MACHINE, services: [{ nid: DEVICE, flags }], plugins: [swap()] });
  return { machine: lab.machine, place: (task) => placeOn(lab, task, RANGE, DEVICE) };
}

const BACKENDS: readonly Backend[] = [
  {
    name: 'none',
    build: () => ({ machine: createMachine(MACHINE, [nodePrivate(), swap()]) }),
  },
  { name: 'no ops', build: () => plain(null) },
  { name: 'bind only', build: () => plain(NP_OPS_MIGRATION | NP_OPS_MEMPOLICY) },
  {
    name: 'CRAM',
    build: () => {
      const late: (() => void)[] = [];
      const peek: Plugin = {
        name: 'peek',
        probe: (services) => {
          const service = services.get(CramToken);
          late.push(() => service.cram_register_private_node(DEVICE, service, null));
        },
      };
      const services = [{ nid: DEVICE, flags: null }];
      const { machine } = privateLab({ ...MACHINE, services, plugins: [cram(), swap(), peek] });
      for (const register of late) register();
      return { machine, place: (task) => task.movePages(RANGE_VPNS, DEVICE) };
    },
  },
  {
    name: 'coherent',
    build: () => {
      const driver = deviceCoherent({ nid: DEVICE });
      const machine = createMachine(MACHINE, [nodePrivate(), driver, swap()]);
      return { machine, place: (task) => driver.migrateToDevice(task.mm, 0, RANGE) };
    },
  },
  {
    name: 'ZONE_DEVICE',
    build: () => ({
      machine: createMachine(MACHINE, [
        cxlCompressDevice({ name: 'cxl0', logicalPages: 1024, capacityBytes: 1024 * PAGE_SIZE }),
        zoneDeviceCompress({ device: 'cxl0', nid: DEVICE }),
        swap(),
      ]),
    }),
  },
];

/** The same program for everyone; what a backend refuses, it refuses. */
function run({ machine, place }: ReturnType<Backend['build']>): void {
  const task = writer(machine, 'program', RANGE);
  place?.(task);
  task.mmap(RANGE, PAGES - RANGE);
  for (let vpn = RANGE; vpn < PAGES; vpn++) task.write(vpn);
  machine.sleep(1e9);
  for (let vpn = 0; vpn < PAGES; vpn += 7) task.read(vpn);
  task.where(RANGE_VPNS);
  bind(machine, task, { start: 0, pages: RANGE, mode: MPOL_BIND, nodes: [DEVICE] });
  task.mprotect(0, RANGE, PROT_READ);
  task.mprotect(0, RANGE, PROT_READ | PROT_WRITE);
  for (const advice of [MADV_MERGEABLE, MADV_COLD, MADV_FREE]) task.madvise(0, RANGE, advice);
  task.mlock(0, RANGE / 4);
  task.munlock(0, RANGE / 4);
  const child = task.fork('child');
  if (typeof child !== 'number') {
    for (let vpn = 0; vpn < RANGE / 2; vpn++) child.write(vpn);
    child.exit();
  }
  for (const vpn of RANGE_VPNS) task.write(vpn);
  place?.(task);
  task.pinLongterm(RANGE - 1);
  task.madvise(0, RANGE, MADV_PAGEOUT);
  machine.pseudoFiles.write(`/sys/devices/system/node/node${DEVICE}/compact`, '1');
  task.movePages(RANGE_VPNS, DRAM);
  task.munmap(0, PAGES / 2);
  task.exit();
}

function probe(): Figures {
  const { siteCount, otherSites, functionCount, rfcEntries, rfcFunctions } = hookMap();
  const functions = `${functionCount} functions (RFC: ${rfcFunctions})`;
  const title = `${siteCount} sites, ${otherSites} not the RFC’s; ${functions}`;
  const values: Record<string, number> = {
    'sites.published': siteCount,
    'sites.not_of_rfc': otherSites,
    'sites.kernel_functions': functionCount,
    'rfc.entries': rfcEntries,
    'rfc.functions': rfcFunctions,
  };
  const reports = BACKENDS.map(({ name, build }) => {
    const built = build();
    run(built);
    built.machine.verify();
    const sites = built.machine.sites.report();
    const hooks = [...built.machine.managed.hookCalls()].filter(([, calls]) => calls > 0);
    return { name, sites, hooks };
  });
  const backends = reports.map(({ name, sites, hooks }) => {
    const used = sites.filter(({ managed }) => managed > 0);
    values[`sites_used.${name.replaceAll(' ', '_')}`] = used.length;
    return [
      name,
      sites.filter(({ asked }) => asked > 0).length,
      used.length,
      sites.reduce((sum, { asked }) => sum + asked, 0),
      used.reduce((sum, { managed }) => sum + managed, 0),
      hooks.length,
      hooks.reduce((sum, [, calls]) => sum + calls, 0),
    ];
  });
  const perSite = (reports[0]?.sites ?? []).flatMap(({ name }, at) => {
    const yes = reports.map(({ sites }) => sites[at]?.managed ?? 0);
    return yes.every((count) => count === 0) ? [] : [[name, ...yes]];
  });
  return {
    values,
    tables: [
      {
        name: 'backends',
        title,
        columns: ['backend', 'reached', 'said special', 'asked', 'yes', 'hooks called', 'calls'],
        rows: backends,
      },
      {
        name: 'sites',
        title: 'How often each site got the answer "special", by backend',
        columns: ['site', ...BACKENDS.map(({ name }) => name)],
        rows: perSite,
      },
    ],
  };
}

export default defineProbe({
  question: 'How many places of mm ask about memory set apart, and who needs them?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Without a private node no site ever says special.',
      holds: (results) => results.figure('sites_used.none') === 0,
    },
    {
      text: 'No backend makes use of every site that the program reached.',
      holds: (results) => {
        const reached = results.column('backends', 'reached').map(Number);
        const used = results.column('backends', 'said special').map(Number);
        return used.every((count, at) => count < (reached[at] ?? 0));
      },
    },
    {
      text: 'Device-private pages meet few of them: they are on no list and in no page table.',
      holds: (results) =>
        results.figure('sites_used.ZONE_DEVICE') < results.figure('sites_used.coherent') / 2,
    },
    {
      text: 'Binding alone needs no fewer sites than CRAM, though it brings fewer hooks.',
      holds: (results) =>
        results.figure('sites_used.bind_only') >= results.figure('sites_used.CRAM'),
    },
  ],
});
