import { PAGE_SIZE, pteMapsNormalPage, UFFD_FEATURE_SIGBUS } from '@mm-lab/mm-core';
import { StepError } from '../step.js';
import { selectionOf } from './buffer.js';
import {
  incremented,
  type PageWords,
  patternInRound,
  patternPage,
  withWord,
  wordOf,
  ZEROES,
} from './pattern.js';
import { bufferOf, type OpContext } from './scenario-op.js';
import type { ScenarioProcess } from './scenario-process.js';

const REGISTER_MISSING = 1;
const WORDS = PAGE_SIZE / 4;

/** What a page holds that was just accessed. */
function pageAt({ process, run }: OpContext, vpn: number): PageWords {
  const { ptes, table } = run.on.machine;
  const slot = ptes.find(process.task.mm.id, vpn);
  const bits = slot < 0 ? 0 : ptes.bits[slot]!;
  if (!pteMapsNormalPage(bits)) return ZEROES;
  return run.on.patterns.pageOf(table.key[ptes.value[slot]!]!);
}

function chosen(context: OpContext) {
  const { step, process } = context;
  const text = step.has('range') ? step.text('range', 'all') : undefined;
  return selectionOf(text, bufferOf(context), process.hole);
}

export function cpuReadOp(context: OpContext): void {
  const { step, process, observed, run } = context;
  const first = bufferOf(context).start / PAGE_SIZE;
  const { pages, word } = chosen(context);
  const found = new Map<number, PageWords | null>();
  for (const page of pages) {
    const isRead = process.task.access(first + page, false) === 'ok';
    const holds = isRead ? pageAt(context, first + page) : null;
    found.set(page, holds);
    if (holds !== null && word >= 0) observed.value = wordOf(holds, word);
    if (holds === null || step.text('then', '') !== 'increment every int32') continue;
    run.on.patterns.next = incremented(holds);
    process.task.access(first + page, true);
  }
  observed.memory = found;
}

export function cpuWriteOp(context: OpContext): void {
  const { step, process, observed, run } = context;
  const first = bufferOf(context).start / PAGE_SIZE;
  const { pages, word } = chosen(context);
  const pattern = step.text('pattern', 'zero');
  for (const page of pages) {
    const whole = patternPage(patternInRound(pattern, run.values), page);
    if (word >= 0) {
      process.task.access(first + page, false);
      const value = pattern.startsWith('const32') ? wordOf(whole, word) : page * WORDS + word;
      run.on.patterns.next = withWord(pageAt(context, first + page), word, value);
    } else {
      run.on.patterns.next = whole;
    }
    if (process.task.access(first + page, true) !== 'ok') observed.rc = -1;
  }
}

/** Pages of a mirror that is filled before anybody says how large it is. */
const MIRROR_PAGES = 1024;

export function mirrorFillOp(context: OpContext): void {
  const { step, process, run } = context;
  const sizes = [...process.buffers.values()].map(({ size }) => size / PAGE_SIZE);
  const pages = Math.max(MIRROR_PAGES, ...sizes);
  const pattern = patternInRound(step.text('pattern', 'zero'), run.values);
  process.mirror = Array.from({ length: pages }, (_, at) => patternPage(pattern, at));
}

/** References that are taken and dropped again at once. */
export function gupOp(context: OpContext): void {
  const { step, process, observed, run } = context;
  const { gup, folios, table } = run.on.machine;
  const { mm } = process.task;
  const vpn = bufferOf(context).start / PAGE_SIZE + run.number(step, 'page', 0);
  const isLong = step.int('longterm', 0) !== 0;
  const pfn = isLong
    ? gup.pinLongterm(mm, vpn, process.task.nid)
    : gup.getUserPage(mm, vpn, process.task.nid);
  if (pfn === 'zero') return;
  observed.rc = Math.min(pfn, 0);
  if (pfn < 0) return;
  if (isLong) gup.unpin(pfn);
  else folios.put(table.head(pfn));
}

export function pagemapReadOp(context: OpContext): void {
  const { process, observed, run } = context;
  const { start, size } = bufferOf(context);
  const { proc } = run.on.machine;
  proc.open(process.task.struct);
  observed.pagemap = Array.from({ length: size / PAGE_SIZE }, (_, at) =>
    proc.pagemap.read(process.task.mm, start / PAGE_SIZE + at),
  );
}

export function fileCreateOp({ step, process, run }: OpContext): void {
  const { openFiles } = run.on.machine.sys;
  const file = openFiles.memfdCreate(step.text('as', 'f'));
  openFiles.ftruncate(file, run.number(step, 'size', PAGE_SIZE));
  process.files.set(step.text('as', 'f'), file);
}

/** read(2) and write(2) of a file: through a mapping of it that is gone afterwards. */
function throughFile(
  context: OpContext,
  access: (process: ScenarioProcess, vpn: number, page: number) => void,
): void {
  const { step, process, observed, run } = context;
  const file = process.files.get(step.text('file', 'f'));
  if (file === undefined) throw new StepError(`there is no file ${step.text('file', 'f')}`);
  const { sys } = run.on.machine;
  const length = run.number(step, 'len', PAGE_SIZE);
  const request = { addr: 0, length, prot: 3, flags: 1, file, offset: 0 };
  const addr = sys.mmap.mmap(process.task.struct, request);
  observed.rc = addr < 0 ? addr : length;
  if (addr < 0) return;
  for (let page = 0; page < length / PAGE_SIZE; page++)
    access(process, addr / PAGE_SIZE + page, page);
  sys.munmap.munmap(process.task.struct, addr, length);
}

export function fileWriteOp(context: OpContext): void {
  throughFile(context, (process, vpn, page) => {
    context.run.on.patterns.next = process.mirror[page] ?? ZEROES;
    process.task.access(vpn, true);
  });
}

export function fileReadOp(context: OpContext): void {
  throughFile(context, (process, vpn, page) => {
    process.task.access(vpn, false);
    process.mirror[page] = pageAt(context, vpn);
  });
}

export function uffdOpenOp({ step, process, observed, run }: OpContext): void {
  const { userfaultfd } = run.on.machine.sys;
  const opened = userfaultfd.open(process.task.struct);
  if (typeof opened === 'number') {
    observed.rc = opened;
    return;
  }
  userfaultfd.api(process.task.struct, opened, UFFD_FEATURE_SIGBUS);
  process.uffds.set(step.text('as', 'u'), opened);
}

function uffdOf({ step, process }: OpContext) {
  const found = process.uffds.get(step.text('fd', 'u'));
  if (found === undefined) throw new StepError(`there is no userfaultfd ${step.text('fd', 'u')}`);
  return found;
}

export function uffdRegisterOp(context: OpContext): void {
  const { start, size } = bufferOf(context);
  const { userfaultfd } = context.run.on.machine.sys;
  const range = { addr: start, length: size };
  context.observed.rc = userfaultfd.register(uffdOf(context), range, REGISTER_MISSING);
}

export function uffdServeOp(context: OpContext): void {
  const fill = patternPage(context.step.text('fill', 'zero'), 0);
  context.process.serve = { ctx: uffdOf(context), fill };
}

export function uffdStopOp({ process }: OpContext): void {
  process.serve = null;
}

/** The thread that fills missing pages. @returns did it? */
export function serveUffd({ process, run }: OpContext, vpn: number): boolean {
  if (process.serve === null) return false;
  const { ctx, fill } = process.serve;
  run.on.patterns.next = fill;
  const range = { addr: vpn * PAGE_SIZE, length: PAGE_SIZE };
  return run.on.machine.sys.userfaultfd.copy(ctx, range, 0) === 0;
}
