import { describe, expect, test } from 'vitest';
import {
  type AddressSpace,
  FileRaState,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  type Machine,
  NOOP_BACKING_DEV,
  PG_reclaim,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  Prng,
  type Task,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
  zramSwap,
} from '../../src/index.js';
import { counted, machineOf, wrongContents } from '../machine-of.js';

const RW = vmFlags(PROT_READ | PROT_WRITE) | VM_MAYREAD | VM_MAYWRITE | VM_SHARED;
const RX = vmFlags(PROT_READ | PROT_EXEC) | VM_MAYREAD | VM_SHARED;
const AT = 2048;

interface Mapped {
  readonly machine: Machine;
  readonly task: Task;
  readonly file: AddressSpace;
}

/** A file on disk of which nothing is cached, mapped at `AT`. */
function mapped(pages = 1000, flags = RW, nodePages = 8192): Mapped {
  const machine = machineOf({ nodes: [{ id: 0, pages: nodePages, cpus: 1 }] });
  const file = cold(machine, pages);
  const task = machine.createTask('t');
  machine.mmap.mmap(task.mm, AT, pages, flags, { file, pgoff: 0 });
  machine.spend();
  return { machine, task, file };
}

function cold(machine: Machine, pages: number): AddressSpace {
  const file = machine.files.create('regular', 'f', pages * 4096);
  for (let index = 0; index < pages; index++) machine.filemap.write(file, index, 0);
  machine.filemap.sync(file);
  machine.truncate.dropClean();
  expect(file.pages.size).toBe(0);
  return file;
}

/** Cached pages, as ranges. */
function cached({ file }: Pick<Mapped, 'file'>): string {
  const indices = [...file.pages.keys()].sort((a, b) => a - b);
  const ends = indices.filter((index) => !file.pages.has(index + 1));
  const starts = indices.filter((index) => !file.pages.has(index - 1));
  return starts.map((start, at) => `${start}-${ends[at]}`).join(' ');
}

/** Pages that carry the mark (PG_readahead, the bit of PG_reclaim). */
function marks({ machine, file }: Pick<Mapped, 'machine' | 'file'>): number[] {
  const { table } = machine;
  return [...file.pages].filter(([, pfn]) => table.has(pfn, PG_reclaim)).map(([at]) => at);
}

function state({ file: { ra } }: Mapped): readonly [start: number, size: number, async: number] {
  return [ra.start, ra.size, ra.asyncSize];
}

/** Reads pages through the mapping. @returns how many faults were major */
function touch({ task }: Mapped, ...indices: readonly number[]): number {
  const before = task.struct.majFlt;
  for (const index of indices) expect(task.read(AT + index)).toBe('ok');
  return task.struct.majFlt - before;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

describe('a fault of a mapping', () => {
  test('reads the window around it as one request, and maps what lies near', () => {
    const world = mapped();
    expect(touch(world, 500)).toBe(1);
    expect([cached(world), state(world), marks(world)]).toEqual(['484-515', [484, 32, 8], [508]]);
    // Aligned addresses 496 to 511, but for the marked page.
    expect(world.task.mm.rss).toBe(15);
    expect(counted(world.machine, 'pgpgin', 'pgmajfault')).toEqual({ pgpgin: 128, pgmajfault: 1 });
    world.machine.verify();
  });

  test('at the mark starts the next window, whose first page is the next mark', () => {
    const world = mapped();
    touch(world, 500);
    expect(touch(world, ...range(501, 509))).toBe(0);
    expect([cached(world), state(world), marks(world)]).toEqual(['484-547', [516, 32, 32], [516]]);
    expect(touch(world, ...range(509, 1000))).toBe(0);
    expect(marks(world)).toEqual([]);
    world.machine.verify();
  });

  test('near an end reads no more than there is, and sets no mark where the end is reached', () => {
    const world = mapped();
    touch(world, 990);
    expect([cached(world), marks(world)]).toEqual(['974-999', []]);
    touch(world, 3);
    expect([cached(world), state(world), marks(world)]).toEqual(['0-31 974-999', [0, 32, 8], [24]]);
  });

  test('leaves a gap that is cached to two requests, and puts no mark on it', () => {
    const world = mapped();
    world.machine.filemap.write(world.file, 508, 0);
    touch(world, 500);
    expect([cached(world), marks(world)]).toEqual(['484-515', []]);
    expect(counted(world.machine, 'pgpgin')).toEqual({ pgpgin: 124 });
  });

  test('goes by what madvise said of the area', () => {
    const of = (advice: number, ...indices: number[]): unknown[] => {
      const world = mapped();
      world.task.madvise(AT, 1000, advice);
      return [touch(world, ...indices), cached(world)];
    };
    expect([
      of(MADV_RANDOM, 500, 501, 500),
      of(MADV_NORMAL, 500, 501, 500),
      of(MADV_SEQUENTIAL, ...range(500, 533)),
    ]).toEqual([
      [2, '500-501'],
      [1, '484-515'],
      [2, '500-563'],
    ]);
  });

  test('of a program reads from the page on and stays in the area', () => {
    const world = mapped(1000, RX);
    touch(world, 500, 516, 532);
    expect([cached(world), marks(world)]).toEqual(['500-563', []]);
    touch(world, 990);
    expect(cached(world)).toBe('500-563 990-999');
  });

  test('reads one page where a device reads nothing ahead, or none is there', () => {
    const world = mapped();
    world.file.ra.raPages = 0;
    expect([touch(world, 500, 501), cached(world)]).toEqual([2, '500-501']);
    const { machine, task } = world;
    const file = machine.files.create('regular', 'g', 64 * 4096, NOOP_BACKING_DEV);
    machine.mmap.mmap(task.mm, AT, 64, RW, { file, pgoff: 0 });
    expect([touch({ machine, task, file }, 5, 6), cached({ file })]).toEqual([2, '5-6']);
  });

  test('at a store takes the mark away, and so does writeback', () => {
    const world = mapped();
    touch(world, 500);
    world.task.write(AT + 508);
    expect(marks(world)).toEqual([516]);
    world.machine.filemap.write(world.file, 516, 0);
    expect(marks(world)).toEqual([516]);
    world.machine.filemap.sync(world.file);
    expect(marks(world)).toEqual([]);
    world.machine.verify();
  });
});

describe('misses of the mappings of an open file', () => {
  const MISSES = range(1, 101).map((at) => at * 40);

  test('are forgiven a hundred times more than hits, then pages come alone', () => {
    const world = mapped(8000, RW, 16_384);
    touch(world, ...MISSES);
    expect([world.file.ra.mmapMiss, world.file.pages.size]).toEqual([100, 3200]);
    touch(world, 4040, 4080);
    expect([world.file.ra.mmapMiss, world.file.pages.size]).toEqual([102, 3202]);
    // Pages of earlier windows, cached and not mapped yet, are hits.
    touch(world, 24, 64);
    expect(world.file.ra.mmapMiss).toBe(100);
    touch(world, 5000);
    expect(world.file.ra.mmapMiss).toBe(101);
    expect(cached(world).endsWith('5000-5000')).toBe(true);
  });

  test('count for all of them, and not for who opens it again', () => {
    const world = mapped(8000, RW, 16_384);
    const { machine, task, file } = world;
    const other = new FileRaState(file.bdi);
    machine.mmap.mmap(task.mm, 20_000, 8000, RW, { file, pgoff: 0 });
    machine.mmap.mmap(task.mm, 30_000, 8000, RW, { file, pgoff: 0, ra: other });
    touch(world, ...MISSES, 4040);
    expect(task.read(20_000 + 5000)).toBe('ok');
    expect(task.read(30_000 + 6000)).toBe('ok');
    expect(cached(world).split(' ').slice(-2)).toEqual(['5000-5000', '5984-6015']);
    expect([file.ra.mmapMiss, other.mmapMiss]).toEqual([102, 1]);
  });

  test('areas of one opened file do not merge with those of another', () => {
    const { machine, task, file } = mapped(64);
    const ra = new FileRaState(file.bdi);
    machine.mmap.mmap(task.mm, 4096, 8, RW, { file, pgoff: 0 });
    machine.mmap.mmap(task.mm, 4104, 8, RW, { file, pgoff: 8, ra });
    machine.mmap.mmap(task.mm, 4112, 8, RW, { file, pgoff: 16, ra });
    expect(task.mm.within(4096, 4120).map(({ start, end }) => end - start)).toEqual([8, 16]);
  });
});

describe('read(2)', () => {
  const reader = (): ((index: number, pages?: number) => string) => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 8192, cpus: 1 }] });
    const file = cold(machine, 1000);
    return (index, pages = 1) => {
      expect(machine.filemap.read(file, index, 0, { pages })).toBeGreaterThan(0);
      return cached({ file });
    };
  };

  test('from the start doubles its windows up to the largest', () => {
    const read = reader();
    expect([0, 1, 2, 4, 12, 28, 60].map((index) => read(index))).toEqual([
      '0-3',
      '0-11',
      '0-11',
      '0-27',
      '0-59',
      '0-91',
      '0-123',
    ]);
  });

  test('somewhere reads what is asked, in a row from the second page on more', () => {
    const read = reader();
    expect([500, 499, 700, 701].map((index) => read(index))).toEqual([
      '500-500',
      '499-500',
      '499-500 700-700',
      '499-500 700-704',
    ]);
  });

  test('that asks for more than a window gets what the device takes at once', () => {
    const read = reader();
    expect([read(0, 256), read(300, 33)]).toEqual(['0-511', '0-511']);
    expect(read(600, 300)).toBe('0-511 600-899');
  });

  test('of another opener follows what pages in the cache say', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 8192, cpus: 1 }] });
    const file = cold(machine, 1000);
    const first = new FileRaState(file.bdi);
    machine.filemap.read(file, 0, 0, { pages: 8, ra: first });
    expect(cached({ file })).toBe('0-15');
    const ra = new FileRaState(file.bdi);
    machine.filemap.read(file, 16, 0, { ra });
    // Cached from the first page on counts twice: 2 * 16 + 1, and no more than a window.
    expect([cached({ file }), ra.start, ra.size, ra.asyncSize]).toEqual(['0-47', 16, 32, 1]);
    machine.verify();
  });

  test('behind the end finds nothing and caches nothing', () => {
    const { machine, file } = mapped(10);
    expect([machine.filemap.read(file, 10, 0), file.pages.size]).toEqual([0, 0]);
  });
});

test('MADV_WILLNEED reads the area and moves no window; memory has nothing to read', () => {
  const world = mapped();
  world.task.madvise(AT + 100, 700, MADV_WILLNEED);
  expect([cached(world), marks(world), state(world)]).toEqual(['100-799', [], [0, 0, 0]]);
  world.task.madvise(AT + 900, 100, MADV_WILLNEED);
  expect(cached(world)).toBe('100-799 900-999');
  const { machine, task } = world;
  const file = machine.files.create('regular', 'g', 64 * 4096, NOOP_BACKING_DEV);
  machine.mmap.mmap(task.mm, AT, 64, RW, { file, pgoff: 0 });
  task.madvise(AT, 64, MADV_WILLNEED);
  expect(file.pages.size).toBe(0);
});

test('who faults waits for one request, however many pages it has; for a hole he does not', () => {
  const timeOf = (run: (world: Mapped) => void): number => {
    const world = mapped();
    const before = world.machine.clock.now;
    run(world);
    return world.machine.clock.now - before;
  };
  const alone = ({ task }: Mapped): void => void task.madvise(AT, 1000, MADV_RANDOM);
  const { diskRead, diskKernel, swapInKernel } = machineOf().cost.ns;
  const window = timeOf((world) => void touch(world, 500));
  const advice = timeOf(alone);
  const page = timeOf((world) => void [alone(world), touch(world, 500)]) - advice;
  expect(window - page).toBe(31 * (diskKernel - swapInKernel));
  expect(page).toBeGreaterThan(diskRead);
  const advised = timeOf(({ task }) => void task.madvise(AT, 32, MADV_WILLNEED));
  expect(advised).toBeLessThan(diskRead);
  const hole = timeOf((world) => {
    world.file.disk.clear();
    touch(world, 500);
    expect(counted(world.machine, 'pgpgin')).toEqual({ pgpgin: 0 });
  });
  expect(hole).toBeLessThan(diskKernel);
});

test('pages that reclaim took are refaults, whether they were asked for or come along', () => {
  const world = mapped(64);
  touch(world, 40);
  world.task.madvise(AT, 64, MADV_PAGEOUT);
  // Only what was mapped went: sixteen pages.
  expect(cached(world)).toBe('24-31 48-55');
  expect(touch(world, 40)).toBe(1);
  expect(counted(world.machine, 'workingset_refault_file')).toEqual({
    workingset_refault_file: 16,
  });
  world.machine.verify();
});

/** Programs on a machine with too little memory for their file. */
class Programs {
  readonly machine = machineOf({
    nodes: [{ id: 0, pages: 1024, cpus: 1 }],
    plugins: [zramSwap({ pages: 512, codec: 'lz4' })],
  });
  private readonly file = cold(this.machine, 400);
  private readonly opened = [this.file.ra, new FileRaState(this.file.bdi)] as const;
  private readonly tasks = ['a', 'b'].map((name) => this.machine.createTask(name));

  constructor(private readonly prng: Prng) {
    for (const [at, task] of this.tasks.entries()) {
      const ra = this.opened[at] ?? null;
      const flags = at === 0 ? RW : RW & ~VM_SHARED;
      this.machine.mmap.mmap(task.mm, AT, 512, flags, { file: this.file, pgoff: 0, ra });
      task.mmap(0, 300);
    }
  }

  step(): void {
    const { machine, file, prng } = this;
    const task = this.tasks[prng.below(2)]!;
    const index = prng.below(450);
    const isInside = index < file.sizePages;
    const many = 1 + prng.below(40);
    switch (prng.below(12)) {
      case 0:
        task.madvise(AT + index, Math.min(many, 512 - index), prng.below(5));
        break;
      case 1:
        if (prng.below(4) === 0) machine.truncate.setSize(file, (200 + prng.below(200)) * 4096);
        else file.sizeBytes = Math.max(file.sizeBytes, 400 * 4096);
        break;
      case 2:
        machine.filemap.sync(file);
        if (prng.below(3) === 0) machine.truncate.dropClean();
        break;
      case 3:
        if (isInside) machine.filemap.write(file, index, 0);
        break;
      case 4:
        expect(task.write(AT + index)).toBe(isInside ? 'ok' : 'SIGBUS');
        break;
      case 5:
        for (let vpn = 0; vpn < many; vpn++) task.write(vpn * 7);
        break;
      case 6:
        task.madvise(AT, 512, MADV_PAGEOUT);
        break;
      case 7:
      case 8:
        this.read(index, many);
        break;
      default:
        for (let at = index; at < Math.min(index + many, 512); at++) {
          const isThere = at < file.sizePages;
          expect(task.read(AT + at)).toBe(isThere ? 'ok' : 'SIGBUS');
          if (isThere && task === this.tasks[0]) expect(file.pages.has(at)).toBe(true);
        }
    }
    machine.spend();
    for (const at of file.pages.keys()) expect(at).toBeLessThan(file.sizePages);
    machine.verify();
  }

  private read(index: number, pages: number): void {
    const { machine, file } = this;
    const ra = this.opened[this.prng.below(2)]!;
    const found = machine.filemap.read(file, index, 0, { pages, ra });
    expect(found).toBe(file.expected.get(index) ?? 0);
    if (index < file.sizePages) expect(file.pages.has(index)).toBe(true);
  }
}

test.each([1, 2, 3])(
  'what is asked for is there, nothing behind the end, all sums hold (%i)',
  (seed) => {
    const programs = new Programs(new Prng(seed));
    for (let step = 0; step < 150; step++) programs.step();
    expect(wrongContents(programs.machine)).toBe(0);
  },
);
