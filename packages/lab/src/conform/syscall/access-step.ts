import { PAGE_SIZE } from '@mm-lab/mm-core';
import type { GuestTask } from '../guest.js';
import { type JsonObject, numberAt, textAt } from '../json.js';
import { wordAt } from '../ops/frames.js';
import type { CaseWorld } from './case-world.js';
import { DONE, type Reply, signalOf } from './reply.js';

/** A page that was filled with its index holds this plus the index. */
const INDEX_BASE = 0x30;

/** Byte of the page with this index. */
export function indexByte(index: number): number {
  return (INDEX_BASE + index) % 256;
}

/** A store behind a page's first word leaves the word, which is all that is modelled, as it is. */
function keepFirstWord(world: CaseWorld, task: GuestTask, vpn: number): void {
  task.task.read(vpn);
  world.words.word = wordAt(world.guest, task, vpn);
}

function wordFor(step: JsonObject, index: number): number {
  return step.value === 'index' ? indexByte(index) : numberAt(step, 'value', 0);
}

/** `access`: one byte at the start of each page; a fault that is a signal ends it. */
export function accessStep(step: JsonObject, world: CaseWorld): Reply {
  const task = world.task(step.proc);
  const first = world.address(step.at, task);
  const pages = numberAt(step, 'pages', 1);
  const stride = numberAt(step, 'step', 1);
  const write = textAt(step, 'how', 'read') === 'write';
  for (let index = 0; index < pages; index++) {
    const vpn = Math.floor((first + index * stride * PAGE_SIZE) / PAGE_SIZE);
    world.words.word = wordFor(step, index);
    if (write && first % PAGE_SIZE !== 0) keepFirstWord(world, task, vpn);
    const result = task.task.access(vpn, write);
    if (result === 'ok') continue;
    if (result === 'killed') {
      world.guest.kill(task);
      return { ret: -1, killed: 'SIGKILL' };
    }
    return { ret: -1, signal: { ...signalOf(task.task.struct.takeSignal()), page: index } };
  }
  return DONE;
}
