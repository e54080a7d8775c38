/** Programs that are generated for the write fence (H1). */
import { MADV_DONTNEED, MADV_PAGEOUT, PROT_READ, Prng, type Task } from '@mm-lab/mm-core';
import { type Area, type FenceOptions, FenceWorld, FILE, HUGE, RW, SHARED } from './fence-world.ts';
import { DEVICE, pageRange } from './kit.ts';

const TASKS_MAX = 4;

interface Step {
  readonly name: string;
  readonly weight: number;
  readonly run: (world: FenceWorld, random: Prng, task: Task) => void;
}

function anyArea(world: FenceWorld, random: Prng): Area {
  const [from, pages] = random.pick(world.areas());
  const at = random.below(pages);
  return [from + at, Math.min(pages - at, 1 + random.below(24))];
}

function anyPage(world: FenceWorld, random: Prng): number {
  const [from] = anyArea(world, random);
  return from;
}

/** What a generated program consists of. */
const STEPS: readonly Step[] = [
  { name: 'store', weight: 6, run: (w, r, t) => w.store(t, anyPage(w, r)) },
  { name: 'load', weight: 4, run: (w, r, t) => w.load(t, anyPage(w, r)) },
  { name: 'demote', weight: 6, run: (w, r, t) => void w.demote(t, anyArea(w, r)) },
  {
    name: 'move_pages',
    weight: 2,
    run: (w, r, t) => {
      const [from, pages] = anyArea(w, r);
      t.movePages(pageRange(pages, from), DEVICE);
      if (w.isOnDevice(t, [from, pages])) w.take('move_pages');
    },
  },
  {
    name: 'mprotect',
    weight: 3,
    run: (w, r, t) => {
      const area = anyArea(w, r);
      const prot = r.chance(0.4) ? PROT_READ : RW;
      if (prot === RW && w.isOnDevice(t, area)) w.take('mprotect to writable');
      t.mprotect(...area, prot);
    },
  },
  {
    name: 'fork',
    weight: 2,
    run: (w, _r, t) => {
      if (w.tasks.length < TASKS_MAX) w.fork(t);
    },
  },
  {
    name: 'exit',
    weight: 1,
    run: (w, _r, t) => {
      w.exit(t);
      if (w.tasks.length === 0) w.spawn();
    },
  },
  { name: 'pin', weight: 2, run: (w, r, t) => w.pinAndWrite(t, anyPage(w, r)) },
  { name: 'pageout', weight: 2, run: (w, r, t) => void t.madvise(...anyArea(w, r), MADV_PAGEOUT) },
  {
    name: 'demote from the swap cache',
    weight: 1,
    run: (w, r, t) => {
      const area = anyArea(w, r);
      const child = w.demoteFromSwapCache(t, area);
      if (child === null) return;
      w.load(child, area[0]);
      w.store(child, area[0] + r.below(area[1]));
    },
  },
  { name: 'pressure', weight: 0.5, run: (w) => w.pressure() },
  {
    name: 'dontneed',
    weight: 1,
    run: (w, r, t) => void t.madvise(...anyArea(w, r), MADV_DONTNEED),
  },
  {
    name: 'map shared memory again',
    weight: 1,
    run: (w, r, t) => {
      t.munmap(...SHARED);
      w.mapShared(t, r.chance(0.3) ? PROT_READ : RW);
    },
  },
  { name: 'write(2)', weight: 1, run: (w, r, t) => w.writeFile(t, r.below(SHARED[1])) },
  {
    name: 'write(2) to the file',
    weight: 1,
    run: (w, r, t) => w.writeFile(t, r.below(FILE[1]), w.regular),
  },
];

/**
 * Runs a generated program and recounts the machine after every step.
 * @throws AssertionError if the machine contradicts itself
 */
export function runFenceProgram(options: FenceOptions, seed: number, steps: number): FenceWorld {
  const random = new Prng(seed);
  const world = new FenceWorld(options);
  const total = STEPS.reduce((sum, { weight }) => sum + weight, 0);
  for (let step = 0; step < steps; step++) {
    if (world.tasks.length === 0) world.spawn();
    const task = random.pick(world.tasks);
    let at = random.unit() * total;
    const chosen = STEPS.find(({ weight }) => {
      at -= weight;
      return at < 0;
    });
    runStep(world, () => chosen?.run(world, random, task), task);
    world.lab.machine.verify();
  }
  return world;
}

/** Runs a step and looks whether it split a huge page of the device. */
function runStep(world: FenceWorld, run: () => void, task: Task): void {
  const { machine } = world.lab;
  const splits = (): number => {
    const { thp_split_page: pages = 0, thp_split_pmd: tables = 0 } = machine.vmstat();
    return pages + tables;
  };
  const wasHere = world.isOnDevice(task, HUGE);
  const before = splits();
  run();
  if (wasHere && splits() > before) world.take('split of a huge page');
}
