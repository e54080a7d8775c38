import { PAGE_SIZE, VERSION_ZERO } from '@mm-lab/mm-core';
import type { FuzzOperation } from './operation.js';
import { UNKNOWN } from './side-model.js';
import type { FuzzWorld, WorldFile } from './world.js';

const FILE_PAGES_MAX = 256;

/** A file and a page of it, or null if it is empty. */
function placeIn(world: FuzzWorld): { file: WorldFile; index: number } | null {
  const file = world.random.pick(world.openFiles());
  const { sizePages } = file.object;
  return sizePages === 0 ? null : { file, index: world.random.below(sizePages) };
}

const truncate: FuzzOperation = {
  name: 'truncate',
  weight: 0.4,
  run(world, model) {
    const { open, object } = world.random.pick(world.openFiles());
    const pages = world.random.below(FILE_PAGES_MAX);
    const { openFiles } = world.machine.sys;
    const rc = world.call(model, () => openFiles.ftruncate(open, pages * PAGE_SIZE));
    world.expect(rc === 0, () => `ftruncate returned ${rc}`);
    object.sizePages = pages;
    object.drop(pages, Infinity);
    for (const { side } of world.models) side.forgetCopies(object, pages);
    return `truncate(${open.mapping.name}, ${pages})`;
  },
};

const write: FuzzOperation = {
  name: 'write',
  run(world, model) {
    const place = placeIn(world);
    if (place === null) return 'an empty file';
    const { file, index } = place;
    const { filemap } = world.machine;
    const { nid } = model.task;
    const rc = world.call(model, () => filemap.write(file.open.mapping, index, nid));
    if (rc > 0) file.object.content.set(index, rc);
    return `write(${file.open.mapping.name}, ${index}) = ${rc}`;
  },
};

const read: FuzzOperation = {
  name: 'read',
  run(world, model) {
    const place = placeIn(world);
    if (place === null) return 'an empty file';
    const { file, index } = place;
    const { filemap } = world.machine;
    const { nid } = model.task;
    // One page or some, as old seeds have no number for it.
    const how = { pages: 1 + (index % 8) };
    const found = world.call(model, () => filemap.read(file.open.mapping, index, nid, how));
    const expected = file.object.at(index);
    const unsure = file.object.unsure.has(index) || world.allow.loses;
    const isRight = found === expected || expected === UNKNOWN || unsure || found < VERSION_ZERO;
    world.expect(isRight, () => `read(${index}) found ${found}, expected ${expected}`);
    return `read(${file.open.mapping.name}, ${index}) = ${found}`;
  },
};

const sync: FuzzOperation = {
  name: 'sync',
  weight: 0.4,
  run(world) {
    const { open } = world.random.pick(world.openFiles());
    world.machine.filemap.sync(open.mapping);
    return `sync(${open.mapping.name})`;
  },
};

/** System calls on files that the side area maps. */
export const FILE_OPERATIONS: readonly FuzzOperation[] = [truncate, write, read, sync];
