import { errnoName, PAGE_SIZE } from '@mm-lab/mm-core';
import { type JsonObject, numberAt, textAt } from '../json.js';
import { protOf } from '../names.js';
import type { CaseWorld } from './case-world.js';
import { bitsOf, MMAP_FLAG_NAMES } from './names.js';
import type { Reply } from './reply.js';

/** `mmap`: without `at` the case's own place is asked for; the kernel picks only when told to. */
export function mmapStep(step: JsonObject, world: CaseWorld): Reply {
  const task = world.task(step.proc);
  const length = 'bytes' in step ? numberAt(step, 'bytes') : numberAt(step, 'pages', 1) * PAGE_SIZE;
  const hint = hintOf(step, world, length);
  const flags = bitsOf(MMAP_FLAG_NAMES, step.flags);
  const prot = typeof step.prot === 'number' ? step.prot : protOf(textAt(step, 'prot', 'rw'));
  world.machine.work.runAs(task.task.struct);
  const addr = world.machine.sys.mmap.mmap(task.task.struct, {
    addr: hint,
    length,
    prot,
    flags,
    ...backingOf(step, world),
  });
  world.machine.spend();
  if (addr < 0) return { ret: -1, errno: errnoName(-addr) };
  const name = textAt(step, 'map', 'A');
  const known = task.region(name);
  if (known === undefined) task.regions.push({ name, addr, length });
  else Object.assign(known, { addr, length });
  return { ret: 'addr', out: { addr_eq: addr === hint } };
}

function hintOf(step: JsonObject, world: CaseWorld, length: number): number {
  if (step.at !== undefined) return world.address(step.at, world.task(step.proc));
  if (step.kernel_picks === true) return 0;
  return world.nextAddress(Math.min(Math.ceil(length / PAGE_SIZE), 2 ** 26));
}

/** The file behind the descriptor and the offset in bytes; a number is no descriptor of ours. */
function backingOf(step: JsonObject, world: CaseWorld) {
  const offset = numberAt(step, 'pgoff') * PAGE_SIZE + numberAt(step, 'offbytes');
  const isOpen = step.file !== undefined && typeof step.file !== 'number';
  return { file: isOpen ? world.file(step.file) : null, offset };
}
