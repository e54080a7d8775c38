import { usesPool } from './boot-order.js';
import { differences } from './compare.js';
import type { RecordCase } from './conform-case.js';
import { isObject, type Json, listAt, textAt } from './json.js';
import { type RecordRun, stepsJson } from './record-run.js';

/** What earlier cases of a boot left that no case writes down. */
export interface BootPast {
  /** Cases that the boot ran before, and that are run again. */
  readonly cases: readonly Json[];
  /** Shared files that came and went: those of the case have later inode numbers. */
  readonly files: number;
  /** What they wrote to the sizes of the nodes' pools of huge pages, in order. */
  readonly pools: readonly PoolWrite[];
}

export interface PoolWrite {
  readonly nid: number;
  readonly count: number;
}

/** A boot whose first case it is. */
const FRESH: BootPast = { cases: [], files: 0, pools: [] };

/** A multiple of what one to six nodes take by turns, and of most small sums of weights. */
const FILES_MAX = 60;

const REPLAY_NOTE = 'earlier cases of its boot were run before it';
const FILES_NOTE = 'the inode number of its shared memory was read from its own record';
const POOLS_NOTE = 'what its boot had done to the pool of huge pages was read from its own record';

/**
 * Runs a case after what its boot had done before, as far as its record shows it.
 *
 * Cases were recorded several to a boot, and not everything is put back in between. Shared memory
 * interleaves from its inode number (shmem_get_pgoff_policy), so from how many shared files there
 * were. The pool of huge pages goes on with the node whose turn it is (next_nid_to_alloc,
 * next_nid_to_free), and a page that was moved stays in the pool of its new node. Settings of
 * compaction stay as they were set, and pages that were freed last stay on the lists of their CPU,
 * where no huge page is made of them. So if the record is not that of a fresh boot, the cases that
 * stand before it in its file are run again; if that doesn't explain a look at shared memory or at
 * the pool, a past is fitted: of those that explain the look the one that explains most. That such
 * a case passes says that some past leads there, and little more, so it is noted and counted apart.
 */
export function withBootPast(
  found: Pick<RecordCase, 'kase' | 'record' | 'topology' | 'earlier'>,
  run: (past: BootPast) => RecordRun,
): RecordRun {
  const { kase, record, topology, earlier } = found;
  const fresh = run(FRESH);
  if (!isObject(record)) return fresh;
  const firstDifference = ({ steps }: RecordRun): number =>
    Math.min(...differences(kase, record, { steps: stepsJson(steps) }).map(({ step }) => step));
  const first = firstDifference(fresh);
  const search = (look: number, pasts: Iterable<BootPast>, note: string): RecordRun => {
    let best = { run: fresh, at: look };
    for (const past of pasts) {
      const tried = run(past);
      const at = firstDifference(tried);
      const named = past.cases.length > 0 ? REPLAY_NOTE : note;
      if (at > best.at) best = { run: { ...tried, notes: [...tried.notes, named] }, at };
      if (at === Infinity) break;
    }
    return best.run;
  };
  if (first === firstSharedLook(kase)) return search(first, filePasts(), FILES_NOTE);
  const replay = earlier.length > 0 ? [{ ...FRESH, cases: earlier }] : [];
  if (Number.isFinite(first) && usesPool(kase)) {
    const nids = Object.keys(isObject(topology.nodes) ? topology.nodes : {}).map(Number);
    const others = asksAllNodes(kase) ? turnPasts(nids) : leftPasts(nids);
    return search(poolLookEnd(kase, first), chain(replay, others), POOLS_NOTE);
  }
  return Number.isFinite(first) ? search(first, replay, REPLAY_NOTE) : fresh;
}

/** The first step that shows where a shared region lies, in a case that interleaves. */
function firstSharedLook(kase: Json): number | undefined {
  const steps = listAt(kase, 'steps');
  if (!steps.some((step) => textAt(step, 'mode').endsWith('INTERLEAVE'))) return undefined;
  const shared = new Set<string>();
  for (const [at, step] of steps.entries()) {
    const op = textAt(step, 'op');
    const isShared = listAt(step, 'flags').includes('shared') || textAt(step, 'memfd') !== '';
    if (op === 'mmap' && isShared) shared.add(textAt(step, 'as'));
    if (op === 'where' && shared.has(textAt(step, 'r'))) return at;
  }
  return undefined;
}

/** Does it ask for a number of huge pages on all nodes, which take turns then? */
function asksAllNodes(kase: Json): boolean {
  return listAt(kase, 'steps').some((step) => {
    const path = textAt(step, 'path');
    return textAt(step, 'op') === 'sys_write' && /^\/proc\/sys\/vm\/nr_hugepages/.test(path);
  });
}

/** The last step of a look that begins with some step: the files that are read together. */
function poolLookEnd(kase: Json, first: number): number {
  const steps = listAt(kase, 'steps');
  let end = first;
  while (textAt(steps[end + 1], 'op') === 'sys_read') end += 1;
  return end;
}

function* chain<T>(...parts: readonly Iterable<T>[]): Iterable<T> {
  for (const part of parts) yield* part;
}

function* filePasts(): Iterable<BootPast> {
  for (let files = 1; files < FILES_MAX; files++) yield { ...FRESH, files };
}

/** Pages that cases left in the pool: those that were moved to another node's. */
const LEFT_MAX = 4;
/** How many of them are tried with every pair of turns. */
const LEFT_OF_PAIRS = 1;

/**
 * Whose turn it is to give and to take, with more and more pages left. A case that had a pool on
 * one node, as most do, leaves both turns there.
 */
function* turnPasts(nids: readonly number[]): Iterable<BootPast> {
  const pairs = nids.flatMap((give) => nids.map((take) => ({ give, take })));
  const same = pairs.filter(({ give, take }) => give === take);
  const all = [...same, ...pairs.filter(({ give, take }) => give !== take)];
  for (let pages = 0; pages <= LEFT_MAX; pages++) {
    for (const left of spread(pages, nids)) {
      for (const { give, take } of pages <= LEFT_OF_PAIRS ? all : same) {
        yield { ...FRESH, pools: [...left, ...turn(left, give, take)] };
      }
    }
  }
}

function* leftPasts(nids: readonly number[]): Iterable<BootPast> {
  for (let pages = 1; pages <= LEFT_MAX; pages++) {
    for (const pools of spread(pages, nids)) yield { ...FRESH, pools };
  }
}

/** Every way to have so many pages on some nodes. */
function spread(pages: number, nids: readonly number[]): readonly PoolWrite[][] {
  const [nid, ...others] = nids;
  if (pages === 0) return [[]];
  if (nid === undefined) return [];
  const here = Array.from({ length: pages + 1 }, (_, count) => pages - count);
  return here.flatMap((count) =>
    spread(pages - count, others).map((rest) => (count > 0 ? [{ nid, count }, ...rest] : rest)),
  );
}

/** A page more and less on two nodes: the last that grew gives next, the last that shrank takes. */
function turn(left: readonly PoolWrite[], give: number, take: number): readonly PoolWrite[] {
  const had = (nid: number): number => left.find((write) => write.nid === nid)?.count ?? 0;
  if (give === take) {
    return [
      { nid: give, count: had(give) + 1 },
      { nid: give, count: had(give) },
    ];
  }
  return [
    { nid: take, count: had(take) + 1 },
    { nid: give, count: had(give) + 1 },
    { nid: give, count: had(give) },
    { nid: take, count: had(take) },
  ];
}
