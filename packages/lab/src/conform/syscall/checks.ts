import {
  isMigrationType,
  lockedVm,
  N_MEMORY,
  PAGE_SIZE,
  PG_anon,
  PG_hwpoison,
  PG_ksm,
  PG_mlocked,
  PMD_ORDER,
  PTE_SPECIAL,
  PTE_TYPE_SWAP,
  pteMapsPage,
  pteType,
  type VmstatName,
} from '@mm-lab/mm-core';
import type { GuestTask } from '../guest.js';
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  textAt,
} from '../json.js';
import { frameAt, wordAt } from '../ops/frames.js';
import { StepError } from '../step.js';
import { indexByte } from './access-step.js';
import type { CaseWorld } from './case-world.js';
import { fileByte } from './file-pages.js';
import { readGroupFile } from './groups.js';
import { type Mismatch, matches, mismatchOf } from './match.js';
import { policyAt } from './policy-check.js';
import type { Reply } from './reply.js';
import { checkVma, checkVmaCount } from './vma-checks.js';

/** What a check may look at. */
export interface Observed {
  readonly world: CaseWorld;
  readonly reply: Reply;
  /** Event counters before the step. */
  readonly before: Readonly<Record<string, number>>;
}

type Check = (expected: Json, observed: Observed) => readonly Mismatch[];

/** Checks by name in the order in which they are made; `bytes` faults pages in. */
export const CHECKS: readonly (readonly [string, Check])[] = [
  ['ret', (expected, { reply }) => compared('ret', expected, reply.ret)],
  ['errno', (expected, { reply }) => compared('errno', expected, reply.errno)],
  ['killed', (expected, { reply }) => compared('killed', expected, reply.killed)],
  ['signal', checkSignal],
  ['status', (expected, { reply }) => compared('status', expected, [...(reply.status ?? [])])],
  ['out', (expected, { reply }) => eachMember('out', expected, reply.out)],
  ['place', (expected, { world }) => pageLists('place', expected, world, placeOf)],
  ['flags', checkFlags],
  ['bytes', (expected, { world }) => pageLists('bytes', expected, world, byteAt)],
  ['file_bytes', checkFileBytes],
  ['policy', checkPolicy],
  ['vma', (expected, { world }) => listOf(expected).flatMap((item) => checkVma(item, world))],
  [
    'vma_count',
    (expected, { world }) => listOf(expected).flatMap((item) => checkVmaCount(item, world)),
  ],
  ['vmlck_pages', (expected, { world }) => compared('vmlck_pages', expected, lockedPages(world))],
  ['same_page', checkSamePage],
  ['pfn', checkPfn],
  ['counters', checkCounters],
  ['node_states', checkNodeStates],
  ['memcg', checkMemcg],
];

/** Makes every check of `expect`. A signal or a kill that nothing said is one too. */
export function failedChecks(expect: JsonObject, observed: Observed): readonly Mismatch[] {
  const known = new Set(CHECKS.map(([name]) => name));
  const unknown = Object.keys(expect).filter((name) => !known.has(name));
  if (unknown.length > 0) throw new StepError(`unknown check ${unknown.join(', ')}`);
  const surprise = unexpected(expect, observed.reply);
  if (surprise.length > 0) return surprise;
  return CHECKS.flatMap(([name, check]) => {
    const wanted = expect[name];
    return wanted === undefined ? [] : check(wanted, observed);
  });
}

function unexpected(expect: JsonObject, reply: Reply): readonly Mismatch[] {
  if (reply.killed !== undefined && expect.killed === undefined) {
    return [mismatchOf('killed', undefined, reply.killed)];
  }
  const silent = expect.signal === undefined || expect.signal === null;
  if (reply.signal !== undefined && silent) {
    return [mismatchOf('signal', undefined, { ...reply.signal })];
  }
  return [];
}

function compared(field: string, expected: Json, got: Json | undefined): readonly Mismatch[] {
  return matches(expected, got) ? [] : [mismatchOf(field, expected, got)];
}

function eachMember(
  field: string,
  expected: Json,
  got: JsonObject | undefined,
): readonly Mismatch[] {
  if (!isObject(expected)) throw new StepError(`${field} is no object`);
  return Object.entries(expected).flatMap(([key, value]) =>
    compared(`${field}.${key}`, value, got?.[key]),
  );
}

function checkSignal(expected: Json, { reply }: Observed): readonly Mismatch[] {
  if (expected === null) return [];
  return eachMember('signal', expected, reply.signal === undefined ? {} : { ...reply.signal });
}

function listOf(value: Json): readonly JsonObject[] {
  const items = isArray(value) ? value : [value];
  return items.filter((item) => isObject(item));
}

/** A value for each page of ranges, against `each`, `list` or `count` of them. */
function pageLists(
  field: string,
  expected: Json,
  world: CaseWorld,
  read: (world: CaseWorld, task: GuestTask, vpn: number) => Json,
): readonly Mismatch[] {
  return listOf(expected).flatMap((item) => {
    const { task, addr } = world.place(item.at);
    const first = Math.floor(addr / PAGE_SIZE);
    const pages = numberAt(item, 'pages', 1);
    const found = Array.from({ length: pages }, (_, index) => read(world, task, first + index));
    return pagesAgainst(`${field} ${textAt(item, 'at')}`, item, found);
  });
}

function pagesAgainst(
  field: string,
  item: JsonObject,
  found: readonly Json[],
): readonly Mismatch[] {
  if (isObject(item.count)) {
    return Object.entries(item.count).flatMap(([value, wanted]) =>
      compared(
        `${field} count ${value}`,
        wanted,
        found.filter((got) => String(got) === value).length,
      ),
    );
  }
  const list = listAt(item, 'list');
  return found.flatMap((got, index) => {
    const wanted = item.each === undefined ? list[index] : item.each;
    if (wanted === undefined) return [];
    const value = wanted === 'index' ? indexByte(index) : wanted;
    return matches(value, got) ? [] : [mismatchOf(`${field}+${index}p`, value, got)];
  });
}

/** Node, `none`, `zero` or `swap`. */
function placeOf({ machine }: CaseWorld, { task }: GuestTask, vpn: number): Json {
  const { ptes, nodes } = machine;
  const slot = ptes.find(task.mm.id, vpn);
  const bits = slot < 0 ? 0 : ptes.bits[slot]!;
  if (pteMapsPage(bits)) {
    return (bits & PTE_SPECIAL) !== 0 ? 'zero' : nodes.nidOf(ptes.value[slot]!);
  }
  const type = pteType(bits);
  if (type === PTE_TYPE_SWAP) return 'swap';
  return isMigrationType(type) ? nodes.nidOf(ptes.value[slot]!) : 'none';
}

function byteAt(world: CaseWorld, task: GuestTask, vpn: number): Json {
  const result = task.task.read(vpn);
  if (result === 'ok') return wordAt(world.guest, task, vpn) & 0xff;
  return result;
}

const FLAG_TESTS: Readonly<Record<string, (world: CaseWorld, pfn: number) => boolean>> = {
  thp: ({ machine }, pfn) => machine.table.order[pfn]! >= PMD_ORDER,
  anon: ({ machine }, pfn) => machine.table.has(machine.table.head(pfn), PG_anon),
  mlocked: ({ machine }, pfn) => machine.table.has(machine.table.head(pfn), PG_mlocked),
  ksm: ({ machine }, pfn) => machine.table.has(pfn, PG_ksm),
  hwpoison: ({ machine }, pfn) => machine.table.has(pfn, PG_hwpoison),
};

function checkFlags(expected: Json, { world }: Observed): readonly Mismatch[] {
  return listOf(expected).flatMap((item) => {
    const flag = textAt(item, 'flag');
    const test = Object.hasOwn(FLAG_TESTS, flag) ? FLAG_TESTS[flag] : undefined;
    if (test === undefined) throw new StepError(`unknown page flag ${flag}`);
    const { task, addr } = world.place(item.at);
    const first = Math.floor(addr / PAGE_SIZE);
    const wanted = item.set !== false;
    for (let index = 0; index < numberAt(item, 'pages', 1); index++) {
      const pfn = frameAt(world.guest, task, first + index);
      const got = pfn >= 0 && test(world, pfn);
      if (got !== wanted)
        return [mismatchOf(`${flag} ${textAt(item, 'at')}+${index}p`, wanted, got)];
    }
    return [];
  });
}

function checkFileBytes(expected: Json, { world }: Observed): readonly Mismatch[] {
  return listOf(expected).flatMap((item) => {
    const file = world.file(item.file).mapping;
    const wanted = listAt(item, 'list');
    return listAt(item, 'pages').flatMap((page, at) => {
      const got = fileByte(world, file, typeof page === 'number' ? page : 0);
      return compared(`file_bytes page ${String(page)}`, wanted[at] ?? null, got);
    });
  });
}

function checkPolicy(expected: Json, { world }: Observed): readonly Mismatch[] {
  return listOf(expected).flatMap((item) => {
    const { at, ...wanted } = item;
    const found = policyAt(world, at);
    const flags = item.mode_flags === undefined ? { mode_flags: [] } : {};
    return eachMember(`policy ${String(at)}`, { ...flags, ...wanted }, found);
  });
}

function lockedPages(world: CaseWorld): number {
  return lockedVm(world.task('P').task.mm);
}

function checkSamePage(expected: Json, { world }: Observed): readonly Mismatch[] {
  const frame = (at: Json | undefined): number => {
    const { task, addr } = world.place(at);
    return frameAt(world.guest, task, Math.floor(addr / PAGE_SIZE));
  };
  return listOf(expected).flatMap(({ a, b, same = true }) => {
    const got = frame(a) >= 0 && frame(a) === frame(b);
    return compared(`same_page ${String(a)} ${String(b)}`, same, got);
  });
}

function checkPfn(expected: Json, { world }: Observed): readonly Mismatch[] {
  return listOf(expected).flatMap((item) => {
    const { task, addr } = world.place(item.at);
    const first = Math.floor(addr / PAGE_SIZE);
    const saved = world.snaps.get(textAt(item, 'snap')) ?? [];
    return saved.flatMap((pfn, index) => {
      const got = frameAt(world.guest, task, first + index) === pfn;
      return compared(`pfn ${textAt(item, 'at')}+${index}p`, item.same ?? true, got);
    });
  });
}

function checkCounters(expected: Json, { world, before }: Observed): readonly Mismatch[] {
  if (!isObject(expected)) throw new StepError('counters is no object');
  const now: Readonly<Partial<Record<VmstatName, number>>> = world.machine.vmstat();
  const after = new Map(Object.entries(now));
  return Object.entries(expected).flatMap(([name, wanted]) => {
    if (!after.has(name)) throw new StepError(`unknown counter ${name}`);
    return compared(`counters.${name}`, wanted, (after.get(name) ?? 0) - (before[name] ?? 0));
  });
}

function checkNodeStates(expected: Json, { world }: Observed): readonly Mismatch[] {
  return eachMember('node_states', expected, { has_memory: world.machine.nodes.inState(N_MEMORY) });
}

function checkMemcg(expected: Json, { world }: Observed): readonly Mismatch[] {
  if (!isObject(expected)) throw new StepError('memcg is no object');
  return Object.entries(expected).flatMap(([path, wanted]) => {
    const [file = '', key] = path.split(':');
    return compared(`memcg ${path}`, wanted, readGroupFile(world, file, key));
  });
}
