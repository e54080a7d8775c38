import {
  type Clock,
  ClockToken,
  type Contents,
  ContentsToken,
  createMachine,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  Prng,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { sideAccess } from '../../src/fuzz/side-access.js';
import { SIDE_BASE } from '../../src/fuzz/side-model.js';
import { everySize, FuzzWorld, Peek, type TaskModel } from '../../src/index.js';

interface Lossy {
  readonly world: FuzzWorld;
  readonly model: TaskModel;
  readonly clock: Clock;
  readonly contents: Contents;
  /** The frame that the program has at this page. */
  frameAt(vpn: number): number;
}

/** A machine whose memory may lose pages, when the test says so, and the model of its program. */
function lossy(): Lossy {
  const peek = new Peek();
  const nodes = [{ id: 0, pages: 600, cpus: 1 }];
  const machine = createMachine({ seed: 1, nodes }, [everySize, peek]);
  const world = new FuzzWorld(machine, new Prng(1), 0, { loses: true, hangs: false });
  const model = world.spawn();
  return {
    world,
    model,
    clock: peek.services.get(ClockToken),
    contents: peek.services.get(ContentsToken),
    frameAt: (vpn) => machine.ptes.value[machine.ptes.find(model.task.mm.id, vpn)] ?? -1,
  };
}

test('a page that an event loses right after a load is missed by the next one', () => {
  const { world, model, clock, contents, frameAt } = lossy();
  model.task.mmap(model.vpn(20), 1);
  model.map(20, 1, PROT_READ | PROT_WRITE, 0);
  world.access(model, 20, true, 1);
  const pfn = frameAt(model.vpn(20));
  const { counts } = world.machine.engine.shadow;
  const countedThen: number[] = [];
  const late = clock.after(1, () => {
    countedThen.push(counts.lostPages);
    contents.lose(pfn);
  });
  world.access(model, 20, false, 1);
  expect({ isLate: !late.pending, countedThen, world: world.losses }).toEqual({
    isLate: true,
    countedThen: [0],
    world: 1,
  });
  expect([counts.lostPages, model.content[20]]).toEqual([1, 0]);
});

/** Pages 0 and 1 of the side area are page 0 of a memfd: the file's own, and a private copy. */
function mappedTwice(): Lossy {
  const it = lossy();
  const { world, model } = it;
  const [file] = world.openFiles();
  if (file === undefined) throw new Error('there are files');
  world.machine.sys.openFiles.ftruncate(file.open, PAGE_SIZE);
  file.object.sizePages = 1;
  for (const [at, flags] of [MAP_SHARED, MAP_PRIVATE].entries()) {
    const request = {
      addr: (SIDE_BASE + at) * PAGE_SIZE,
      length: PAGE_SIZE,
      prot: PROT_READ | PROT_WRITE,
      flags: MAP_FIXED | flags,
      file: file.open,
      offset: 0,
    };
    const rc = world.call(model, (struct) => world.machine.sys.mmap.mmap(struct, request));
    expect(rc).toBe(request.addr);
    const isShared = flags === MAP_SHARED;
    const rest = { own: null, isHuge: false, isLazy: false, isUnsure: false };
    model.side.pages[at] = { object: file.object, index: 0, isShared, mapping: at, ...rest };
  }
  return it;
}

test('where a private copy is lost the page of its file is mapped again', () => {
  const { world, model, contents, frameAt } = mappedTwice();
  const found = (): number => world.contentAt(model, SIDE_BASE + 1);
  for (const at of [0, 1]) sideAccess(world, model, at, true);
  const ofFile = world.contentAt(model, SIDE_BASE);
  expect(found()).not.toBe(ofFile);
  contents.lose(frameAt(SIDE_BASE + 1));
  sideAccess(world, model, 1, false);
  expect(found()).toBe(ofFile);
  expect(model.side.pages[1]?.own).toBe(null);
  // What is stored to the file is seen here from then on.
  sideAccess(world, model, 0, true);
  sideAccess(world, model, 1, false);
  expect(found()).toBe(world.contentAt(model, SIDE_BASE));
  expect(found()).not.toBe(ofFile);
  expect(world.machine.engine.shadow.counts.lostPages).toBe(1);
});
