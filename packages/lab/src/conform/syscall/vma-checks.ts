import { type MmStruct, PAGE_SIZE, permissions, type Vma, vmFlagsLine } from '@mm-lab/mm-core';
import { isArray, type Json, type JsonObject, numberAt, textAt } from '../json.js';
import { smapsLines } from '../ops/views/smaps-op.js';
import { StepError } from '../step.js';
import type { CaseWorld, Place } from './case-world.js';
import { type Mismatch, matches, mismatchOf } from './match.js';

/** What a check of an area may say besides its place. */
const KIB_FIELDS = ['Rss', 'Locked', 'LazyFree', 'Swap', 'AnonHugePages'] as const;
const FIELDS = new Set<string>([
  ...['at', 'absent', 'perms', 'pages', 'start_here', 'vmflags', 'no_vmflags'],
  ...KIB_FIELDS,
]);

/** The area that holds an address against what it should be. */
export function checkVma(item: JsonObject, world: CaseWorld): readonly Mismatch[] {
  const unknown = Object.keys(item).filter((key) => !FIELDS.has(key));
  if (unknown.length > 0) throw new StepError(`unknown field ${unknown.join(', ')} of vma`);
  const place = world.place(item.at);
  const vpn = Math.floor(place.addr / PAGE_SIZE);
  const vma = place.task.task.mm.find(vpn);
  const field = `vma ${textAt(item, 'at')}`;
  if (item.absent === true) return vma === null ? [] : [mismatchOf(field, 'absent', 'present')];
  if (vma === null) return [mismatchOf(field, 'present', 'absent')];
  return [
    ...against(`${field} perms`, item.perms, permissions(vma.flags)),
    ...against(`${field} pages`, item.pages, vma.end - vma.start),
    ...against(`${field} start_here`, item.start_here, vma.start === vpn),
    ...checkVmFlags(field, item, vmFlagsLine(vma.flags).split(' ')),
    ...checkKib(field, item, world, place, vma),
  ];
}

/** Areas that overlap a range. */
export function checkVmaCount(item: JsonObject, world: CaseWorld): readonly Mismatch[] {
  const { task, addr } = world.place(item.at);
  const first = Math.floor(addr / PAGE_SIZE);
  const found = overlapping(task.task.mm, first, first + numberAt(item, 'pages', 1));
  return against(`vma_count ${textAt(item, 'at')}`, item.n, found);
}

function overlapping(mm: MmStruct, start: number, end: number): number {
  return mm.within(start, end).length;
}

function checkVmFlags(
  field: string,
  item: JsonObject,
  letters: readonly string[],
): readonly Mismatch[] {
  const missing = wordsOf(item.vmflags).filter((flag) => !letters.includes(flag));
  const extra = wordsOf(item.no_vmflags).filter((flag) => letters.includes(flag));
  return [
    ...missing.map((flag) => mismatchOf(`${field} vmflags`, flag, letters.join(' '))),
    ...extra.map((flag) => mismatchOf(`${field} no_vmflags`, `no ${flag}`, letters.join(' '))),
  ];
}

function checkKib(
  field: string,
  item: JsonObject,
  world: CaseWorld,
  place: Place,
  vma: Vma,
): readonly Mismatch[] {
  if (!KIB_FIELDS.some((name) => item[name] !== undefined)) return [];
  const smaps = smapsLines(world.machine.proc.smaps.gather(place.task.task.mm, vma));
  return KIB_FIELDS.flatMap((name) => against(`${field} ${name}`, item[name], smaps[name] ?? 0));
}

function wordsOf(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return value.split(' ');
  return isArray(value) ? value.filter((word) => typeof word === 'string') : [];
}

function against(field: string, wanted: Json | undefined, got: Json): readonly Mismatch[] {
  if (wanted === undefined || matches(wanted, got)) return [];
  return [mismatchOf(field, wanted, got)];
}
