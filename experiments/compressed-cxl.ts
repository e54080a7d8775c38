/**
 * The main job: seven ways to use a CXL device that promises twice its real capacity, on one real
 * program's trace with its real page contents. Redis holds 24 MiB; DRAM has 16.
 *
 * Writing back to the disk is free beyond the kernel's part: nobody waits for it and it takes no
 * bandwidth from reads, which flatters every variant that swaps.
 */
import { cxlCompressDevice, cxlCompression, cxlSysram } from '@mm-lab/backend-cxl-compress';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { defineExperiment } from '@mm-lab/lab';
import { diskSwap, zramSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';

const MIB = 2 ** 20;
const DRAM_PAGES = 4096;
/** The device says it has 5 MiB and has half of that. Redis shrinks to 1 / 1.7, not to 1 / 2. */
const DEVICE_PAGES = 1280;
const PHYSICAL_BYTES = 2.5 * MIB;
const SWAP_PAGES = 8192;
const DRAM = { id: 0, pages: DRAM_PAGES, cpus: 2 };

const device = () =>
  cxlCompressDevice({
    name: 'cxl0',
    logicalPages: DEVICE_PAGES,
    capacityBytes: PHYSICAL_BYTES,
    codec: 'lz4',
    blockBytes: 4096,
  });
/** Behind every way that can fill up: the same disk. */
const disk = () => diskSwap({ pages: SWAP_PAGES });

const GUARDED = ['all-dram', 'zram', 'disk', 'cram', 'zone-device', 'oracle'];
const EVERY = [...GUARDED, 'unguarded'];

export default defineExperiment({
  name: 'compressed-cxl',
  question: 'What does each way of using a compressing CXL device cost a real program?',
  seed: 1,
  machine: {
    nodes: [DRAM, { id: 1, pages: DEVICE_PAGES, online: false, movable: true }],
    sysctl: { demotion_enabled: true },
  },
  workload: { trace: 'redis-kv' },
  variants: [
    {
      name: 'all-dram',
      title: 'Everything fits in DRAM (bound)',
      bound: true,
      machine: { nodes: [{ ...DRAM, pages: 8192 }] },
      plugins: () => [],
    },
    {
      name: 'zram',
      title: 'DRAM and compressed swap in DRAM',
      machine: { nodes: [DRAM] },
      plugins: () => [zramSwap({ pages: SWAP_PAGES, codec: 'lz4' })],
    },
    {
      name: 'disk',
      title: 'DRAM and swap on an NVMe disk',
      machine: { nodes: [DRAM] },
      plugins: () => [disk()],
    },
    {
      name: 'unguarded',
      title: 'The device as ordinary N_MEMORY, nobody guards it',
      plugins: () => [device(), cxlSysram({ nid: 1 }), disk()],
    },
    {
      name: 'cram',
      title: 'N_MEMORY_PRIVATE and CRAM, three holes of RFC v4 mended',
      plugins: () => [
        nodePrivate(MENDED_FOR_CRAM),
        cram(),
        device(),
        cxlCompression({ nid: 1 }),
        disk(),
      ],
    },
    {
      name: 'zone-device',
      title: 'ZONE_DEVICE, the driver owns free list, eviction and migration',
      plugins: () => [device(), zoneDeviceCompress({ device: 'cxl0', nid: 1 }), disk()],
    },
    {
      name: 'oracle',
      title: 'A placement that knows the trace (bound)',
      kind: 'oracle',
      bound: true,
      machine: { nodes: [{ ...DRAM, pages: 8192 }] },
      plugins: () => [],
      oracle: { nearPages: DRAM_PAGES, nearLineNs: 100, farLineNs: 250, copyNs: 1240 },
    },
  ],
  claims: [
    {
      text: 'Every variant but the unguarded one stays within the device and loses no page.',
      holds: (results) =>
        GUARDED.every(
          (name) =>
            results.stat(name, 'device.overflow_events') === 0 &&
            results.stat(name, 'integrity.lost_pages') === 0 &&
            results.stat(name, 'integrity.lost_unread_pages') === 0,
        ),
    },
    {
      text: 'The unguarded node overflows the device and loses pages.',
      holds: (results) =>
        results.stat('unguarded', 'device.overflow_events') > 0 &&
        results.stat('unguarded', 'integrity.lost_pages') > 0,
    },
    {
      text: 'No variant reads stale contents or another page’s.',
      holds: (results) =>
        EVERY.every(
          (name) =>
            results.stat(name, 'integrity.stale_reads') === 0 &&
            results.stat(name, 'integrity.leaked_pages') === 0,
        ),
    },
    {
      text: 'Nothing that did not ask lands on private memory.',
      holds: (results) =>
        EVERY.every((name) => results.stat(name, 'isolation.leaked_allocations') === 0),
    },
    {
      text: 'Totals balance: accesses = hits + faulted, in every variant the whole trace.',
      holds: (results) =>
        EVERY.every(
          (name) =>
            results.stat(name, 'sim.accesses') ===
              results.stat(name, 'access.hits') + results.stat(name, 'access.faulted') &&
            results.stat(name, 'sim.accesses') === results.stat('all-dram', 'sim.accesses') &&
            results.stat(name, 'sim.completed') === 1,
        ),
    },
    {
      text: 'Faults balance: the kernel’s pgfault counts every minor, major and failed fault.',
      holds: (results) =>
        EVERY.every(
          (name) =>
            results.stat(name, 'vmstat.pgfault') ===
            results.stat(name, 'fault.minor') +
              results.stat(name, 'fault.major') +
              results.stat(name, 'fault.failed'),
        ),
    },
  ],
});
