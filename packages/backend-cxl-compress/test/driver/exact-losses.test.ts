import { cram, pressurePolicy, writableFraction } from '@mm-lab/cram';
import {
  createMachine,
  diskSwap,
  type Machine,
  type Plugin,
  Prng,
  PTE_SPECIAL,
  pteMapsPage,
  type Task,
} from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { contentsOf, pagesOfEverySize } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import {
  type CxlCompressOptions,
  cxlCompressDevice,
  cxlCompression,
  cxlSysram,
} from '../../src/index.js';

const DEVICE = 1;
const PAGES = 900;
const STEPS = 1500;
const ZEROES = 0;
const TRIES_MAX = 20;

/** The last store of each page, as it was named; it knows of no frame. */
type LastStores = Map<number, number>;

function notedIn(last: LastStores): Plugin {
  return contentsOf({
    ...pagesOfEverySize,
    keyOf(vpn, version, progress) {
      last.set(vpn, version);
      return pagesOfEverySize.keyOf(vpn, version, progress);
    },
  });
}

/** Ways of not being safe, one drawn for each seed. */
const GUARDS: readonly (readonly [string, () => readonly Plugin[]])[] = [
  ['nobody looks after it', () => [cxlSysram({ nid: DEVICE })]],
  ['the fence is as posted', () => [nodePrivate(), cram(), cxlCompression({ nid: DEVICE })]],
  [
    'every page may be stored to in place',
    () => [
      nodePrivate(),
      cram(),
      writableFraction({ fraction: 1, revokeAt: null }),
      cxlCompression({ nid: DEVICE }),
    ],
  ],
  [
    'the gate never shuts',
    () => [
      nodePrivate(),
      cram(),
      pressurePolicy(() => ({ pollNs: 0, pressure: () => 0 })),
      cxlCompression({ nid: DEVICE }),
    ],
  ],
];

const FAULTS: readonly Partial<CxlCompressOptions>[] = [
  {},
  { interruptFaults: { lossProbability: 0.7 } },
  { interruptFaults: { lateProbability: 1, lateNs: 5e6 } },
  { poisonFaults: { storeProbability: 0.1 } },
  {
    mailbox: { timeoutNs: 1e6 },
    mailboxFaults: { slowProbability: 0.5, slowNs: 5e6, slowFromNs: 1e6 },
  },
];

/** How the medium is given out. */
const SHAPES: readonly Partial<CxlCompressOptions>[] = [
  {},
  { packing: 'first-fit' },
  { packing: 'first-fit', blockBytes: 1024, compaction: {} },
  { packing: [512, 1024, 2048, 4096], compaction: {} },
];

interface Unsafe {
  readonly machine: Machine;
  readonly task: Task;
  readonly name: string;
  readonly last: LastStores;
}

function unsafe(seed: number): Unsafe {
  const prng = new Prng(seed);
  const [name, guard] = prng.pick(GUARDS);
  const faults = { ...prng.pick(FAULTS), ...prng.pick(SHAPES) };
  const last: LastStores = new Map();
  const capacityPages = 20 + prng.below(60);
  const machine = createMachine(
    {
      seed,
      nodes: [
        { id: 0, pages: 280 + prng.below(120), cpus: 1 },
        { id: DEVICE, pages: 1024, online: false },
      ],
      sysctl: { demotion_enabled: true },
    },
    [
      notedIn(last),
      cxlCompressDevice({ logicalPages: 1024, capacityBytes: capacityPages * 4096, ...faults }),
      ...guard(),
      diskSwap({ pages: 4096 }),
    ],
  );
  return { machine, task: machine.createTask('program'), name, last };
}

/** Identity of what the page holds, after a load: reclaim may have been quicker, so try again. */
function held(machine: Machine, task: Task, vpn: number): number {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const slot = machine.ptes.find(task.mm.id, vpn);
    const bits = slot < 0 ? 0 : (machine.ptes.bits[slot] ?? 0);
    if ((bits & PTE_SPECIAL) !== 0) return ZEROES;
    if (pteMapsPage(bits)) return machine.table.version[machine.ptes.value[slot] ?? -1] ?? ZEROES;
    task.read(vpn);
  }
  throw new Error(`page ${vpn} does not stay`);
}

interface Losses {
  readonly lost: number;
  readonly counted: number;
  readonly compactions: number;
}

/**
 * A program of stores, loads and frees against a shadow that knows nothing of frames: per page what
 * was stored last. A load that finds something else has found a loss, and finds it once.
 */
function play({ machine, task, last }: Unsafe, seed: number): Losses {
  const prng = new Prng(seed ^ 0x5eed);
  const shadow = new Map<number, number>();
  let lost = 0;
  const load = (vpn: number): void => {
    task.read(vpn);
    const found = held(machine, task, vpn);
    if (found === (shadow.get(vpn) ?? ZEROES)) return;
    lost++;
    shadow.set(vpn, found);
  };
  task.mmap(0, PAGES);
  for (let step = 0; step < STEPS && task.alive; step++) {
    const vpn = prng.below(PAGES);
    const draw = prng.below(100);
    if (draw < 55) {
      task.write(vpn);
      shadow.set(vpn, last.get(vpn) ?? ZEROES);
    } else if (draw < 98) load(vpn);
    else {
      const pages = Math.min(PAGES - vpn, 1 + prng.below(20));
      task.munmap(vpn, pages);
      task.mmap(vpn, pages);
      for (let at = vpn; at < vpn + pages; at++) shadow.delete(at);
    }
  }
  for (let vpn = 0; vpn < PAGES && task.alive; vpn++) load(vpn);
  machine.verify();
  const { 'integrity.lost_pages': counted = -1, 'device.compactions': compactions = 0 } =
    machine.stats();
  return { lost, counted, compactions };
}

test('in unsafe configurations the lab counts exactly the pages that the shadow misses', () => {
  const seen = new Map<string, number>();
  let compacted = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const made = unsafe(seed);
    const { lost, counted, compactions } = play(made, seed);
    compacted += Number(compactions > 0);
    expect({ seed, name: made.name, counted }).toEqual({ seed, name: made.name, counted: lost });
    seen.set(made.name, (seen.get(made.name) ?? 0) + lost);
  }
  expect(compacted).toBeGreaterThan(3);
  expect(GUARDS.filter(([name]) => (seen.get(name) ?? 0) < 20)).toEqual([]);
}, 60_000);
