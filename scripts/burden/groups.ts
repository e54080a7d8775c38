import {
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
} from '@mm-lab/node-private';
import type { Mechanism } from '../../experiments/coherent/services/bench.ts';

/** What CRAM opts in to. */
export const CRAM_FLAGS =
  NP_OPS_MIGRATION |
  NP_OPS_DEMOTION |
  NP_OPS_NUMA_BALANCING |
  NP_OPS_PROTECT_WRITE |
  NP_OPS_RECLAIM;

/** Duties that a driver of device memory has, as the figures of kernel drivers are grouped. */
export const GROUPS = [
  'allocator, backing store, free, split',
  'copy, clearing, filling holes',
  'migration to the device',
  'migration back, CPU fault',
  'eviction, victim choice, ageing',
  'set-up, hotplug, lifetime',
  'mirror, snapshot',
] as const;
export type Group = (typeof GROUPS)[number];

const [ALLOC, COPY, TO, BACK, EVICT, SETUP, MIRROR] = GROUPS;

/** One driver: its source, and the duty of each function; a function belongs to one group. */
export interface Driver {
  readonly name: string;
  readonly folder: string;
  readonly files: RegExp;
  /** The first rule that matches `file:function` decides. */
  readonly rules: readonly (readonly [RegExp, Group])[];
  /** What its memory is to mm, and the flags that the driver sets. */
  readonly memory: readonly { readonly mechanism: Mechanism; readonly flags?: number }[];
}

export const DRIVERS: readonly Driver[] = [
  {
    name: 'test device, ZONE_DEVICE',
    memory: [{ mechanism: 'DEVICE_PRIVATE' }, { mechanism: 'DEVICE_COHERENT' }],
    folder: 'packages/backend-zone-device/src/test-hmm',
    files: /\.ts$/,
    rules: [
      [/evict/i, EVICT],
      [
        /devmemFault|migrateToRam|faultAlloc|takeBack|allocRam|copyBack|migrateToSystem|withdraw$/,
        BACK,
      ],
      [/dmirror\.ts:(fill)$/, COPY],
      [/migrateToDevice|allocAndCopy|allocBasePages|finalizeAndMap|eachWindow|takeFailure/, TO],
      [/selectDevice|nothing$/, TO],
      [/snapshot|protOf|kindOf|\.mirror/, MIRROR],
      [/test-hmm\.ts|dmirror-parts|constructor|close$|removeChunks|addChunk|pagemapOf/, SETUP],
      [/dmirror-device\.ts|dmirror-chunk/, ALLOC],
      [/dmirror\.ts/, TO],
    ],
  },
  {
    name: 'coherent, private node',
    memory: [{ mechanism: 'N_MEMORY_PRIVATE', flags: NP_OPS_MIGRATION }],
    folder: 'packages/backend-device-coherent/src',
    files: /\.ts$/,
    rules: [
      [/index\.ts/, SETUP],
      [/evict|sendOut|cold-folios/i, EVICT],
      [/freeFolio/, ALLOC],
      [/populate/, COPY],
      [/snapshot|protOf|mapMoved/, MIRROR],
      [/migrateToSystem|migrateOut/, BACK],
      [/migrate(?:ToDevice|To$|In$)|:move$|range-folios|systemPages|eachArea|nothing/, TO],
      [/pagesOf|checkRange|anyNode|coherent-driver\.ts:has/, TO],
      [/./, SETUP],
    ],
  },
  {
    name: 'compressed RAM, ZONE_DEVICE',
    memory: [{ mechanism: 'DEVICE_PRIVATE' }],
    folder: 'packages/backend-zone-device/src/compress-driver',
    files: /\.ts$/,
    rules: [
      [/device-pages/, ALLOC],
      [/demoter/, TO],
      [/migrate-to-ram/, BACK],
      [/evictor|cold-pages|page-hand|headroom|ram-pressure|background-thread/, EVICT],
      [/./, SETUP],
    ],
  },
  {
    name: 'compressed RAM, private node (CRAM)',
    memory: [{ mechanism: 'N_MEMORY_PRIVATE', flags: CRAM_FLAGS }],
    folder: 'packages/cram/src',
    files: /\.ts$/,
    rules: [
      [/promot|migrate|fault/i, BACK],
      [/demot/i, TO],
      [/free|flush|discard/i, ALLOC],
      [/press|balloon|reclaim|evict|gate|watermark/i, EVICT],
      [/./, SETUP],
    ],
  },
  {
    name: 'policies of CRAM, each an option',
    memory: [{ mechanism: 'N_MEMORY_PRIVATE', flags: CRAM_FLAGS }],
    folder: 'packages/cram/src/policy',
    files: /\.ts$/,
    rules: [
      [/hot-pages|writ|token/, BACK],
      [/admission|sampled|remember|cram-swap|page-contents/, TO],
      [/./, EVICT],
    ],
  },
];

/**
 * Code lines of real drivers in Linux 7.3.4, without blanks and comments, grouped the same way: the
 * specification of ZONE_DEVICE, section 4.2. The test device copies inside its other functions.
 */
export const KERNEL_LINES: Readonly<Record<string, readonly (number | null)[]>> = {
  amdgpu: [235, 95, 262, 280, 56, 43, 547],
  nouveau: [82, 144, 135, 77, 41, 133, 229],
  drm_pagemap: [161, 156, 238, 227, 67, 174, 891],
  'xe on drm_pagemap': [163, 200, 50, 4, 3, 222, 323],
  test_hmm: [107, null, 201, 197, 41, 140, 202],
};
