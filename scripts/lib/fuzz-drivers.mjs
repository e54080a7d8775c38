// The machines that `scripts/fuzz.mjs --driver NAME` fuzzes: options of `fuzzMachine` by name.

import { cxlCompressDevice, cxlCompression, cxlSysram } from '@mm-lab/backend-cxl-compress';
import { deviceCoherent } from '@mm-lab/backend-device-coherent';
import {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  testHmm,
  zoneDeviceCompress,
} from '@mm-lab/backend-zone-device';
import { cram } from '@mm-lab/cram';
import { deviceToken, diskSwap, N_MEMORY_PRIVATE, zramSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { everySize, WINDOW_PAGES } from '@mm-lab/testkit';
import { privateLife, replugged } from './fuzz-teardown.mjs';

const LOGICAL_PAGES = 2048;
const SWAP = { pages: 4096, codec: 'lz4' };
const CAPACITY_BYTES = 850 * 4096;

/** What goes wrong on a device that must be safe all the same, by seed. */
const FAULTS = [
  {},
  { interruptFaults: { lateProbability: 0.5, lateNs: 20_000 } },
  // Within the driver's patience; what comes later is safe only with LATE.
  { mailboxFaults: { slowProbability: 0.2, slowNs: 1e9, failProbability: 0.3 } },
  { mailboxFaults: { deadFromNs: 2e8 } },
  // Zeroing in the background, within the driver's polls; and a mailbox that cannot zero.
  { mailbox: { backgroundNs: 3e9, payloadBytes: 256 } },
  { mailbox: { zero: false } },
  { interruptFaults: { lossProbability: 0.5 }, capacityBytes: 'room for all' },
  {
    interruptFaults: { deadFromNs: 1e8 },
    mailboxFaults: { deadFromNs: 1e8 },
    capacityBytes: 'room for all',
  },
];

/**
 * No threshold can be told: only room for all of the logical pages is safe. Where space fragments
 * it has to be four times as much: a chunk of 16 KiB for each page, and for first fit a hole that
 * is smaller than a page beside each page.
 */
function roomFor({ packing }) {
  return LOGICAL_PAGES * 4096 * (packing === undefined ? 1 : 4);
}

function withRoom(shape, faults) {
  if (faults.capacityBytes !== 'room for all') return { ...shape, ...faults };
  return { ...shape, ...faults, capacityBytes: roomFor(shape) };
}

/**
 * What the device is like, by seed: how it gives out its space (usage counts what fragmentation
 * takes away), what lies between it and the host.
 */
const SHAPES = [
  {},
  { cache: { pages: 32 }, linkQueue: true, hostCache: { pages: 64 } },
  { packing: 'first-fit' },
  { packing: 'first-fit', blockBytes: 1024, compaction: { bytesPerNs: 1 } },
  { packing: [512, 1024, 2048, 4096], compaction: {} },
];

/** As posted the driver gives a page back when it stops waiting, and later the page is zeroed. */
const LATE = {
  faults: { mailboxFaults: { slowProbability: 0.3, slowNs: 3e9 } },
  driver: { lateCommands: 'mended' },
};

/** Room for so little above the low mark that even a device without a fault loses pages. */
const TIGHT = { capacityBytes: 120 * 4096, lowFraction: 0.65, highFraction: 0.5 };
/** What makes a device lose pages. */
const LOSSES = [
  { poisonFaults: { storeProbability: 0.2 } },
  { interruptFaults: { deadFromNs: 1e8 }, mailboxFaults: { slowProbability: 0.3, slowNs: 3e9 } },
  { interruptFaults: { lossProbability: 0.7 }, mailboxFaults: { deadFromNs: 1e8 } },
  {},
];

function device(faults = {}) {
  // A direct reclaimer takes no time, so a run of it comes before the interrupt that it causes: the
  // headroom has to hold one, which with huge pages is more than a thousand pages. A low mark of
  // some sixty pages lets most programs reach it.
  const headroom = { lowFraction: 0.04, highFraction: 0.03 };
  return cxlCompressDevice({
    logicalPages: LOGICAL_PAGES,
    capacityBytes: CAPACITY_BYTES,
    ...headroom,
    ...faults,
  });
}

/** Ordinary memory around the device's; every fourth machine has room for huge pages. */
function nodes(seed) {
  const scale = seed % 4 === 3 ? 4 : 1;
  return [
    { id: 0, pages: scale * (250 + ((seed * 37) % 400)), cpus: 1 + (seed % 2) },
    { id: 1, pages: LOGICAL_PAGES, online: false },
    { id: 2, pages: scale * ((seed * 53) % 500), lineNs: seed % 3 === 0 ? 180 : 100 },
  ];
}

/** Without these v4 maps pages of the node writable, which the fuzzer's audit forbids. */
const FENCED = { swapIn: 'mended', sharedMaps: 'mended' };

/**
 * A medium that goes bad, where nothing is held (whoever gets the page next must not notice), or
 * anywhere.
 */
function badMedium(where) {
  let device = null;
  const plugin = {
    name: 'bad-medium',
    probe(services) {
      device = services.get(deviceToken('cxl0'));
    },
  };
  const operation = {
    name: 'mediumError',
    always: true,
    weight: 1,
    run({ machine, random }) {
      const { nodes, table } = machine;
      const { base, spannedPages } = nodes.pgdat(1);
      const pfn = base + random.below(spannedPages);
      const isOnline = nodes.hasState(1, N_MEMORY_PRIVATE);
      const isFree = table.refcount[table.head(pfn)] === 0;
      if (!isOnline || (where === 'free' && !isFree)) return `mediumError(${pfn}) not`;
      device.injectPoison(pfn);
      return `mediumError(${pfn})`;
    },
  };
  return { plugin, operation };
}

/** CRAM's driver, pulled and plugged at random moments. */
function cramOn({ seed, faults, driver, goesBad = 'free' }) {
  const { plugin, operations } = replugged(cxlCompression({ nid: 1, ...driver }));
  const reclaimFrees = seed % 2 === 0 ? 'v4' : 'mended';
  const bufferedWrites = seed % 3 === 0 ? 'mended' : 'v4';
  const demotionOrder = Math.floor(seed / 4) % 3 === 0 ? 'mended' : 'v4';
  const mends = { reclaimFrees, bufferedWrites, demotionOrder, ...FENCED };
  const guard = [nodePrivate(mends), cram(), plugin];
  const bad = badMedium(goesBad);
  return {
    nodes: nodes(seed),
    plugins: [everySize, device(faults), ...guard, bad.plugin],
    operations: [...operations, DEMOTE, bad.operation],
    sysctl: { demotion_enabled: true },
    mayHang: true,
  };
}

export const DRIVERS = {
  none: () => ({}),
  // One small node and a swap device that holds what memory does not: zswap is never idle.
  zswap: (seed) => ({
    nodes: [{ id: 0, pages: 200 + ((seed * 37) % 200), cpus: 1 + (seed % 2) }],
    plugins: [everySize, seed % 3 === 0 ? zramSwap(SWAP) : diskSwap(SWAP)],
    sysctl: { swappiness: 200 },
    zswap: { enabled: true, max_pool_percent: [5, 40, 90][seed % 3] },
  }),
  private: (seed) => {
    const { plugin, operations } = privateLife(1, seed);
    const teardown = seed % 3 === 0 ? 'mended' : 'v4';
    const lateClear = Math.floor(seed / 4) % 3 === 0 ? 'mended' : 'v4';
    return {
      nodes: nodes(seed),
      plugins: [everySize, nodePrivate({ teardown, lateClear }), plugin],
      operations,
    };
  },
  cram: (seed) => {
    const late = seed % 7 === 6 ? LATE : null;
    const flush = seed % 5 === 0 ? 'none' : 'buffers';
    return cramOn({
      seed,
      faults: withRoom(
        SHAPES[Math.floor(seed / FAULTS.length) % SHAPES.length],
        late?.faults ?? FAULTS[seed % FAULTS.length],
      ),
      driver: { teardown: 'evacuate-first', flush, ...late?.driver },
    });
  },
  'cram-unsafe': (seed) => ({
    ...cramOn({
      seed,
      faults: {
        ...SHAPES[Math.floor(seed / LOSSES.length) % SHAPES.length],
        ...TIGHT,
        ...LOSSES[seed % LOSSES.length],
      },
      driver: { teardown: 'posted' },
      goesBad: 'anywhere',
    }),
    mayLose: true,
  }),
  sysram: (seed) => ({
    nodes: nodes(seed),
    plugins: [everySize, device(), cxlSysram({ nid: 1 })],
    mayLose: true,
  }),
  // Demotes by itself when RAM is short; every access to what it moved faults.
  'zone-device': (seed) => ({
    nodes: nodes(seed),
    plugins: [everySize, device(), zoneDeviceCompress({ device: 'cxl0', nid: 1 })],
  }),
  // The kernel's HMM test device, private and coherent, told by programs what to move.
  'test-hmm': (seed) => {
    const units = [
      { type: MEMORY_DEVICE_PRIVATE, nid: 1 },
      { type: MEMORY_DEVICE_COHERENT, nid: 2 },
    ];
    const driver = testHmm({ units, chunkPages: 512 });
    return {
      nodes: [
        { id: 0, pages: 1200 + ((seed * 37) % 800), cpus: 1 + (seed % 2) },
        { id: 1, pages: LOGICAL_PAGES, online: false },
        { id: 2, pages: 512, online: false },
      ],
      plugins: [everySize, driver, diskSwap(SWAP)],
      operations: [hmmCommand(driver)],
    };
  },
  'device-coherent': (seed) => {
    const driver = deviceCoherent({ nid: 1, whenFull: seed % 2 === 0 ? 'evict' : 'stay' });
    return {
      nodes: nodes(seed),
      plugins: [everySize, nodePrivate(), driver, diskSwap(SWAP)],
      operations: [coherentCommand(driver)],
    };
  },
};

/** Reclaim on demand, which demotes: without it most machines end before the device is pressed. */
const DEMOTE = {
  name: 'demote',
  always: true,
  weight: 2,
  run: ({ machine, random }, { task }) => {
    if (random.chance(0.5)) {
      machine.pseudoFiles.write('/sys/kernel/mm/numa/demotion_enabled', '1', task.struct);
    }
    const nid = random.pick([0, 0, 2]);
    const bytes = 4096 * (1 + random.below(200));
    const file = `/sys/devices/system/node/node${nid}/reclaim`;
    const rc = machine.pseudoFiles.write(file, String(bytes), task.struct);
    machine.spend();
    return `echo ${bytes} > ${file} = ${rc}`;
  },
};

/** What a program may ask of the test device, by a handle, on a range. */
const HMM_COMMANDS = {
  migrateToDevice: (handle, start, end) => handle.migrateToDevice(start, end),
  migrateToSystem: (handle, start, end) => handle.migrateToSystem(start, end),
  makeExclusive: (handle, start, end) => handle.mirror.makeExclusive(start, end),
  read: (handle, start, end) => handle.mirror.read(start, end),
  snapshot: (handle, start, end) => ({ rc: 0, pages: handle.snapshot(start, end).length ?? 0 }),
  // What the next command moves finds no room.
  failAlloc: (handle, start, end) => {
    handle.flags = 1;
    return handle.migrateToDevice(start, end);
  },
  failBack: (handle, start, end) => {
    handle.flags = 1;
    return handle.migrateToSystem(start, end);
  },
  evict: (handle) => {
    handle.device.evict();
    return { rc: 0, pages: handle.device.allocated - handle.device.freed };
  },
};
const HMM_NAMES = Object.keys(HMM_COMMANDS);
const OFTEN = ['migrateToDevice', 'migrateToDevice', 'migrateToSystem'];

/** A command of the test device on a random range, through a handle of its own. */
function hmmCommand(driver) {
  return {
    name: 'hmm',
    always: true,
    weight: 4,
    run: ({ machine, random }, { task, base }) => {
      const start = base + random.below(WINDOW_PAGES);
      const end = start + 1 + random.below(base + WINDOW_PAGES - start);
      const handle = driver.open(random.below(2), task.mm);
      machine.work.runAs(task.struct);
      const command = random.chance(0.6) ? random.pick(OFTEN) : random.pick(HMM_NAMES);
      const { rc, pages } = HMM_COMMANDS[command](handle, start, end);
      handle.mirror.close();
      machine.spend();
      auditUnits(driver);
      return `${command} ${start} ${end}: ${rc} ${pages}`;
    },
  };
}

/** Free and used pages of a device are all that its page maps have. */
function auditUnits(driver) {
  for (const unit of [0, 1]) {
    const device = driver.device(unit);
    let [pages, used] = [0, 0];
    for (const { pagemap } of device.chunks) {
      pages += pagemap.pages;
      used += pagemap.allocated;
    }
    const counted = device.allocated - device.freed;
    if (used !== counted || device.freeCount() + used !== pages) {
      const free = device.freeCount();
      throw new Error(`unit ${unit}: ${counted} used, ${used} in maps, ${free} free of ${pages}`);
    }
  }
}

function coherentCommand(driver) {
  return {
    name: 'ioctl',
    always: true,
    weight: 4,
    run: ({ machine, random }, { task, base }) => {
      const start = random.below(WINDOW_PAGES);
      const pages = 1 + random.below(WINDOW_PAGES - start);
      const command = random.pick(['migrateToDevice', 'migrateToSystem']);
      const { rc, moved, left } = driver[command](task.mm, base + start, pages);
      machine.spend();
      return `${command} ${start} ${pages}: ${rc} ${moved} ${left}`;
    },
  };
}
