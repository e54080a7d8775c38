import { type AddressSpace, type OpenFile, PAGE_SIZE } from '@mm-lab/mm-core';
import { type JsonObject, numberAt, textAt } from '../json.js';
import { StepError } from '../step.js';
import { indexByte } from './access-step.js';
import type { CaseWorld } from './case-world.js';
import { fileByte, writePage } from './file-pages.js';
import { DONE, type Reply, replyOf } from './reply.js';

/** `file`: a file whose pages hold their index, or one that is all hole. */
export function fileStep(step: JsonObject, world: CaseWorld): Reply {
  const { files, filemap, truncate } = world.machine;
  const kind = textAt(step, 'kind', 'tmpfs');
  if (!['tmpfs', 'memfd', 'regular', 'devzero'].includes(kind)) {
    throw new StepError(`unknown kind of file ${kind}`);
  }
  const pages = numberAt(step, 'pages', 1);
  const name = textAt(step, 'file');
  const bytes = 'bytes' in step ? numberAt(step, 'bytes') : pages * PAGE_SIZE;
  const file = files.create(kind === 'regular' ? 'regular' : 'shmem', name, bytes);
  if (step.hole !== true && kind !== 'devzero') fill(world, file, pages);
  if (kind === 'regular') filemap.sync(file);
  if (step.cold === true) truncate.dropClean();
  world.files.set(name, { mapping: file, ...modeOf(step) });
  world.machine.spend();
  return DONE;
}

function fill(world: CaseWorld, file: AddressSpace, pages: number): void {
  for (let index = 0; index < pages; index++) {
    world.words.word = indexByte(index);
    writePage(world, file, index);
  }
}

function modeOf(step: JsonObject): Omit<OpenFile, 'mapping'> {
  const open = textAt(step, 'open', 'rw');
  if (!['rw', 'ro', 'wo'].includes(open)) throw new StepError(`a file can't be opened ${open}`);
  return { canRead: open !== 'wo', canWrite: open !== 'ro' };
}

/** `file_write`: one byte through write(2). */
export function fileWriteStep(step: JsonObject, world: CaseWorld): Reply {
  const file = world.file(step.file).mapping;
  const index = numberAt(step, 'page');
  world.words.word = step.value === 'index' ? indexByte(index) : numberAt(step, 'value');
  const rc = writePage(world, file, index);
  world.machine.spend();
  return rc < 0 ? replyOf(rc) : DONE;
}

/** `file_read`: the first byte of pages through read(2). */
export function fileReadStep(step: JsonObject, world: CaseWorld): Reply {
  const file = world.file(step.file).mapping;
  const first = numberAt(step, 'page');
  for (let index = 0; index < numberAt(step, 'pages', 1); index++) {
    fileByte(world, file, first + index);
  }
  return DONE;
}
