import { cxlCompressDevice, cxlCompression, cxlSysram } from '@mm-lab/backend-cxl-compress';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { diskSwap, type Plugin, TableCostModel, zramSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import type { MachineChange, OracleConfig } from '../experiment/experiment.js';
import type { CompareSizes } from './compare-sizes.js';

/** One way to use the device, or a bound. */
export interface Backend {
  readonly title: string;
  readonly bound?: true;
  readonly machine: (sizes: CompareSizes) => MachineChange;
  readonly plugins: (sizes: CompareSizes) => readonly Plugin[];
  readonly oracle?: (sizes: CompareSizes) => OracleConfig;
}

const CPUS = 2;
const DEVICE_NID = 1;
const DEVICE_NAME = 'cxl0';
/** Pages of DRAM that keep a machine in which everything fits above its watermarks. */
const HEADROOM_PAGES = 2048;
/** A pool that nothing but the shrinker keeps small. */
const SHRUNK_ZSWAP = { enabled: true, shrinker_enabled: true, max_pool_percent: 100 };
/** What the machines cost. */
const { ns } = new TableCostModel();

/** DRAM, and a node that may be plugged for the device. */
function tiered({ dramPages, devicePages }: CompareSizes): MachineChange {
  return {
    nodes: [
      { id: 0, pages: dramPages, cpus: CPUS },
      { id: DEVICE_NID, pages: devicePages, online: false, movable: true },
    ],
    sysctl: { demotion_enabled: true },
  };
}

function dramOnly(pages: number): MachineChange {
  return { nodes: [{ id: 0, pages, cpus: CPUS }] };
}

/** The same device for every driver. */
function device({ devicePages, physicalBytes }: CompareSizes): Plugin {
  return cxlCompressDevice({
    name: DEVICE_NAME,
    logicalPages: devicePages,
    capacityBytes: physicalBytes,
  });
}

/** What does not fit on the device either: without it the program would be killed instead. */
function lastResort({ workloadPages }: CompareSizes): Plugin {
  return diskSwap({ pages: workloadPages });
}

function lastResortOnly(sizes: CompareSizes): readonly Plugin[] {
  return [lastResort(sizes)];
}

function roomy({ workloadPages }: CompareSizes): MachineChange {
  return dramOnly(workloadPages + HEADROOM_PAGES);
}

/** By the name that `--backends` takes. */
export const BACKENDS = {
  'all-dram': {
    title: 'Everything fits in DRAM',
    bound: true,
    machine: roomy,
    plugins: () => [],
  },
  oracle: {
    title: 'Placement that knows the trace',
    bound: true,
    machine: roomy,
    plugins: () => [],
    oracle: ({ dramPages }) => ({
      nearPages: dramPages,
      nearLineNs: ns.dramLine,
      farLineNs: ns.cramLine,
      copyNs: ns.migratePage,
    }),
  },
  zram: {
    title: 'DRAM, and compressed swap in DRAM',
    machine: ({ dramPages }) => dramOnly(dramPages),
    plugins: ({ workloadPages }) => [zramSwap({ pages: workloadPages, codec: 'lz4' })],
  },
  'zram-zstd': {
    title: 'The same with a codec that is slower and packs tighter',
    machine: ({ dramPages }) => dramOnly(dramPages),
    plugins: ({ workloadPages }) => [zramSwap({ pages: workloadPages, codec: 'zstd-3' })],
  },
  zswap: {
    title: 'DRAM, compressed pages in up to a fifth of it, disk swap behind them',
    machine: ({ dramPages }) => ({ ...dramOnly(dramPages), zswap: { enabled: true } }),
    plugins: lastResortOnly,
  },
  'zswap-shrinker': {
    title: 'The same, any share of DRAM, and reclaim may write its old pages to the disk',
    machine: ({ dramPages }) => ({ ...dramOnly(dramPages), zswap: SHRUNK_ZSWAP }),
    plugins: lastResortOnly,
  },
  disk: {
    title: 'DRAM, and swap on an NVMe disk',
    machine: ({ dramPages }) => dramOnly(dramPages),
    plugins: lastResortOnly,
  },
  unguarded: {
    title: 'The device as ordinary memory, disk swap behind it',
    machine: tiered,
    plugins: (sizes) => [
      device(sizes),
      cxlSysram({ device: DEVICE_NAME, nid: DEVICE_NID }),
      lastResort(sizes),
    ],
  },
  cram: {
    title: 'N_MEMORY_PRIVATE with CRAM, three holes of RFC v4 mended, disk swap behind it',
    machine: tiered,
    plugins: (sizes) => [
      nodePrivate(MENDED_FOR_CRAM),
      device(sizes),
      cram(),
      cxlCompression({ device: DEVICE_NAME, nid: DEVICE_NID }),
      lastResort(sizes),
    ],
  },
  'cram-v4': {
    title: 'N_MEMORY_PRIVATE with CRAM as posted, disk swap behind it',
    machine: tiered,
    plugins: (sizes) => [
      nodePrivate(),
      device(sizes),
      cram(),
      cxlCompression({ device: DEVICE_NAME, nid: DEVICE_NID }),
      lastResort(sizes),
    ],
  },
  'zone-device': {
    title: 'ZONE_DEVICE with a driver of its own, disk swap behind it',
    machine: tiered,
    plugins: (sizes) => [
      device(sizes),
      zoneDeviceCompress({ device: DEVICE_NAME, nid: DEVICE_NID }),
      lastResort(sizes),
    ],
  },
} as const satisfies Readonly<Record<string, Backend>>;

/** Name of a backend. */
export type BackendName = keyof typeof BACKENDS;

/** Every name, in the order of the comparison. */
export const BACKEND_NAMES: readonly BackendName[] = Object.keys(BACKENDS).filter(isBackendName);

/** Is it the name of a backend? */
export function isBackendName(name: string): name is BackendName {
  return Object.hasOwn(BACKENDS, name);
}
