import { diskSwap, type Plugin, zramSwap } from '@mm-lab/mm-core';
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
/** Pages of DRAM that keep a machine in which everything fits above its watermarks. */
const HEADROOM_PAGES = 2048;
/** Latencies of a line, as in the cost table: local DRAM, and a compressed one on the device. */
const NEAR_LINE_NS = 100;
const FAR_LINE_NS = 250;
/** Cost of migrating one page, as in the cost table. */
const COPY_NS = 1240;

/** DRAM, and a node that may be plugged for the device. */
function tiered({ dramPages, devicePages }: CompareSizes): MachineChange {
  return {
    nodes: [
      { id: 0, pages: dramPages, cpus: CPUS },
      { id: DEVICE_NID, pages: devicePages, online: false, lineNs: FAR_LINE_NS },
    ],
  };
}

function dramOnly(pages: number): MachineChange {
  return { nodes: [{ id: 0, pages, cpus: CPUS }] };
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
  zram: {
    title: 'DRAM, and compressed swap in DRAM',
    machine: ({ dramPages }) => dramOnly(dramPages),
    plugins: ({ devicePages }) => [zramSwap({ pages: devicePages, codec: 'lz4' })],
  },
  disk: {
    title: 'DRAM, and swap on an NVMe disk',
    machine: ({ dramPages }) => dramOnly(dramPages),
    plugins: ({ devicePages }) => [diskSwap({ pages: devicePages })],
  },
  oracle: {
    title: 'Placement that knows the trace',
    bound: true,
    machine: roomy,
    plugins: () => [],
    oracle: ({ dramPages }) => ({
      nearPages: dramPages,
      nearLineNs: NEAR_LINE_NS,
      farLineNs: FAR_LINE_NS,
      copyNs: COPY_NS,
    }),
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
