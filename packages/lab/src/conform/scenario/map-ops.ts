import { type OpenFile, PAGE_SIZE } from '@mm-lab/mm-core';
import { ADVICES, MAP_FLAGS, numberOf } from '../names.js';
import { StepError } from '../step.js';
import type { Buffer } from './buffer.js';
import { bufferOf, type OpContext } from './scenario-op.js';

const PMD = 512 * PAGE_SIZE;
const PROTS: Readonly<Record<string, number>> = { none: 0, r: 1, w: 2, rw: 3, rx: 5, rwx: 7 };
const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
const MREMAP_DONTUNMAP = 4;

export function mapOp(context: OpContext): void {
  const { step, process, observed, run } = context;
  const length = Math.ceil(run.number(step, 'size', PAGE_SIZE) / PAGE_SIZE) * PAGE_SIZE;
  const file = fileOf(context);
  const request = {
    addr: 0,
    length,
    prot: protOf(step.text('prot', 'rw')),
    flags: flagsOf(step.texts('flags')),
    file,
    offset: 0,
  };
  const addr = run.on.machine.sys.mmap.mmap(process.task.struct, request);
  observed.rc = Math.min(addr, 0);
  if (addr < 0) return;
  process.buffers.set(step.text('buf', 'b'), { start: addr, size: length });
  // What the program's `b` is unless it is this one, or an alias says otherwise.
  if (step.has('mirror_size') && step.text('buf', 'b') !== 'b') {
    const size = run.number(step, 'mirror_size', length);
    process.buffers.set('b', { start: addr, size });
  }
  // The driver's own file maps its pages at once, one by one.
  if (step.texts('flags').includes('file:device')) process.task.read(addr / PAGE_SIZE);
}

function fileOf({ step, process, run }: OpContext): OpenFile | null {
  const named = step.texts('flags').find((flag) => flag.startsWith('file:'));
  if (named === undefined) return null;
  const name = named.slice('file:'.length);
  const known = process.files.get(name);
  if (known !== undefined) return known;
  if (name !== 'device') throw new StepError(`there is no file ${name}`);
  const made = run.on.machine.sys.openFiles.memfdCreate(name);
  run.on.machine.sys.openFiles.ftruncate(made, run.number(step, 'size', PAGE_SIZE));
  return made;
}

function flagsOf(names: readonly string[]): number {
  let flags = 0;
  for (const name of names) {
    if (name.startsWith('file:')) continue;
    flags |= numberOf(MAP_FLAGS, name === 'anonymous' ? 'anon' : name);
  }
  return flags;
}

function protOf(name: string): number {
  const prot = Object.hasOwn(PROTS, name) ? PROTS[name] : undefined;
  if (prot === undefined) throw new StepError(`unknown protection ${name}`);
  return prot;
}

/** Another name for an aligned part of a buffer. */
export function aliasOp({ step, process, run }: OpContext): void {
  const of = process.buffers.get(step.text('of', 'raw'));
  if (of === undefined) throw new StepError(`there is no buffer ${step.text('of', 'raw')}`);
  const text = step.text('offset', '');
  const isAligned = text === 'round_up to PMD';
  const offset = isAligned
    ? Math.ceil(of.start / PMD) * PMD - of.start
    : run.number(step, 'offset', 0, of);
  const size = run.number(step, 'size', of.size - offset, of);
  process.buffers.set(step.text('buf', 'b'), { start: of.start + offset, size });
}

/** Offset and length of a part of a buffer, in bytes. */
function partOf(context: OpContext): { readonly buffer: Buffer; offset: number; length: number } {
  const { step, run } = context;
  const buffer = bufferOf(context);
  const offset = run.number(step, 'offset', 0, buffer);
  const isAll = step.text('len', 'all') === 'all' && !step.has('size');
  const key = step.has('len') ? 'len' : 'size';
  const length =
    isAll && typeof step.get('len') !== 'number'
      ? buffer.size - offset
      : run.number(step, key, 0, buffer);
  return { buffer, offset, length };
}

export function unmapOp(context: OpContext): void {
  const { process, observed, run } = context;
  const { buffer, offset, length } = partOf(context);
  const { munmap } = run.on.machine.sys;
  observed.rc = munmap.munmap(process.task.struct, buffer.start + offset, length);
  process.hole = { from: offset / PAGE_SIZE, to: (offset + length) / PAGE_SIZE };
}

export function protectOp(context: OpContext): void {
  const { step, process, observed, run } = context;
  const { buffer, offset, length } = partOf(context);
  const prot = protOf(step.text('prot', 'rw'));
  const { mprotect } = run.on.machine.sys;
  observed.rc = mprotect.mprotect(process.task.struct, buffer.start + offset, length, prot);
}

export function adviseOp(context: OpContext): void {
  const { step, process, observed, run } = context;
  const { buffer, offset, length } = partOf(context);
  const advice = numberOf(ADVICES, run.word(step.text('advice', '')).toUpperCase());
  const { madvise } = run.on.machine.sys;
  observed.rc = madvise.madvise(process.task.struct, buffer.start + offset, length, advice);
}

/**
 * mremap of a buffer, or a part of it, to a place inside another one or at an offset from itself;
 * the buffer's name goes with it, or another name is given to where it goes.
 */
export function remapOp(context: OpContext): void {
  const { step, process, observed, run } = context;
  const { buffer, offset, length } = partOf(context);
  const target = targetOf(context, buffer);
  const isKept = ['dontunmap', 'dont_unmap'].some(
    (name) =>
      step.texts('flags').some((flag) => run.word(flag) === name) ||
      (step.has(name) && run.number(step, name, 0) !== 0),
  );
  const fixed = target === null ? 0 : MREMAP_FIXED;
  const addr = run.on.machine.sys.mremap.mremap(process.task.struct, {
    addr: buffer.start + offset,
    oldLength: length,
    newLength: run.number(step, 'new_size', length, buffer),
    flags: MREMAP_MAYMOVE | fixed | (isKept ? MREMAP_DONTUNMAP : 0),
    newAddr: target ?? 0,
  });
  observed.rc = Math.min(addr, 0);
  if (addr < 0) return;
  const name = step.text('as', step.text('buf', 'b'));
  process.buffers.set(name, { start: addr, size: length });
}

const TARGETS = ['to', 'new_offset', 'to_offset', 'target', 'dest'] as const;

function targetOf({ step, process, run }: OpContext, buffer: Buffer): number | null {
  const key = TARGETS.find((name) => step.has(name));
  if (key === undefined) return null;
  const within = process.buffers.get(step.text('within', step.text('of', '')));
  const named = process.buffers.get(step.text(key, ''));
  if (named !== undefined) return named.start;
  const value = run.number(step, key, 0, within ?? buffer);
  return value >= buffer.start ? value : (within ?? buffer).start + value;
}
