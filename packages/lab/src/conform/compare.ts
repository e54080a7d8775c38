import { isArray, isObject, type Json, listAt, objectAt, textAt } from './json.js';

/** A field in which the model's answer is not what a kernel was recorded doing. */
export interface Difference {
  readonly step: number;
  readonly op: string;
  /** Path inside the step's result, `/` between its parts; empty for the whole result. */
  readonly field: string;
  /** Undefined where the kernel said nothing. */
  readonly kernel: Json | undefined;
  /** Undefined where the model said nothing. */
  readonly model: Json | undefined;
}

/** Fields that depend on a guest's history or on per-CPU caches. */
const IGNORED: Readonly<Record<string, RegExp>> = {
  buddyinfo: /./,
  fill_node: /^touched$/,
  zoneinfo: /\/(free|pcp_\w+|spanned|present|managed|start_pfn|protection)$/,
  pagemap: /^(phys_runs|phys_runs_down|kpageflags)/,
  smaps: /^kB\/(Referenced|Pss\w*|KernelPageSize|MMUPageSize)/,
  numa_maps: /\/(dirty|active|writeback|file|mapped|anon)$/,
  node_stat:
    /\/(MemFree|MemUsed|Active\S*|Inactive\S*|numa_\w+|local_node|other_node|interleave_hit)$/,
  memory_blocks: /\/(removable|valid_zones)$/,
};
/** The system-wide counters that are clean on a quiet guest. */
const VMSTAT =
  /^(pgmigrate_(success|fail)|pgdemote_\w+|pgpromote_success|pswp(in|out)|oom_kill|thp_\w+)$/;
/** Writes after which reclaim chooses how many pages it takes. */
const BATCH_FILES = new Set(['memory.reclaim', 'memory.high', 'memory.max']);
const AMOUNT_OPS = new Set([
  'where',
  'vmstat_end',
  'swapinfo',
  'smaps',
  'pagemap',
  'cg_read',
  'node_stat',
  'numa_maps',
  'touch',
  'mincore',
]);
/** Ops whose amounts are in KiB. */
const KIB_OPS = new Set(['swapinfo', 'smaps', 'node_stat']);
const BATCH_PAGES = 64;
const CHARGE_BATCH_BYTES = 65_536;

/** What the rule reads of a record, beside its steps. */
interface Context {
  readonly unstable: readonly string[];
  /** Reclaim chose amounts: they may be off by a batch, and which pages went is not compared. */
  readonly isLoose: boolean;
}

/**
 * Every field of every step of a record that the answer lacks or has otherwise, by the rule of
 * `conformance/cases/compare.mjs`; none when the case passes. A test holds the two together.
 */
export function differences(kase: Json, record: Json, answer: Json | undefined): Difference[] {
  const context: Context = {
    unstable: Object.keys(objectAt(record, 'unstable')),
    isLoose: isLoose(kase, record),
  };
  const answers = listAt(answer, 'steps');
  return listAt(record, 'steps').flatMap((step, at) => {
    const op = textAt(step, 'op');
    const kernel = isObject(step) ? step.result : undefined;
    const mine = answers[at];
    if (mine === undefined) return [{ step: at, op, field: '', kernel, model: undefined }];
    const model = isObject(mine) ? mine.result : undefined;
    return [
      ...stepDifferences({ step: at, op, kernel, model }, context),
      ...extraFailures({ step: at, op, kernel, model }, context),
    ];
  });
}

type StepPair = Omit<Difference, 'field'>;

function stepDifferences(pair: StepPair, context: Context): Difference[] {
  const { step, op, kernel, model } = pair;
  const found: Difference[] = [];
  for (const [field, want] of fieldsOf(kernel ?? null, '')) {
    if (isIgnored(step, op, field, context)) continue;
    const got = valueAt(model, field);
    if (JSON.stringify(got) === JSON.stringify(want)) continue;
    if (isTolerated({ op, field, want, got }, context)) continue;
    found.push({ step, op, field, kernel: want, model: got });
  }
  return found;
}

function isIgnored(step: number, op: string, field: string, { unstable, isLoose }: Context) {
  const full = `/steps/${step}${field === '' ? '' : `/${field}`}`;
  if (unstable.some((path) => full === path || full.startsWith(`${path}/`))) return true;
  if (IGNORED[op]?.test(field) === true) return true;
  if (op === 'vmstat_end' && !VMSTAT.test(field)) return true;
  if (op !== 'where' || !field.startsWith('nodes')) return false;
  return isLoose || unstable.some((path) => path.startsWith(`/steps/${step}/`));
}

interface FieldPair {
  readonly op: string;
  readonly field: string;
  readonly want: Json;
  readonly got: Json | undefined;
}

function isTolerated({ op, field, want, got }: FieldPair, { isLoose }: Context): boolean {
  if (op === 'touch' && field === 'minflt' && isClose(got, want, 1)) return true;
  if (op === 'migrate_pages' && field === 'ret' && isSuccess(want) && isSuccess(got)) return true;
  if (op === 'cg_read' && isClose(numberOf(got), numberOf(want), CHARGE_BATCH_BYTES)) return true;
  if (!isLoose || !AMOUNT_OPS.has(op) || typeof want !== 'number') return false;
  const unit = KIB_OPS.has(op) ? 4 : op === 'cg_read' ? 4096 : 1;
  const slack = Math.max(BATCH_PAGES * unit, Math.abs(want) / 8);
  return isClose(got ?? 0, want, slack);
}

/** The model died or failed in a step where the kernel did not. */
function extraFailures(pair: StepPair, { unstable }: Context): Difference[] {
  const { step, op, kernel, model } = pair;
  if (unstable.some((path) => path.startsWith(`/steps/${step}`))) return [];
  const died = truthyAt(model, 'died');
  const errno = truthyAt(model, 'errno');
  const found: Difference[] = [];
  if (died !== undefined && truthyAt(kernel, 'died') === undefined) {
    found.push({ step, op, field: 'died', kernel: undefined, model: died });
  }
  const kernelAnswered = typeof kernel === 'object' && kernel !== null;
  if (errno !== undefined && kernelAnswered && truthyAt(kernel, 'errno') === undefined) {
    found.push({ step, op, field: 'errno', kernel: undefined, model: errno });
  }
  return found;
}

function isLoose(kase: Json, record: Json): boolean {
  if (truthyAt(record, 'amounts_vary') !== undefined) return true;
  return listAt(kase, 'steps').some((step) => {
    const op = textAt(step, 'op');
    return op === 'fill_node' || (op === 'cg_write' && BATCH_FILES.has(textAt(step, 'file')));
  });
}

/** The leaves with their paths; a list is a leaf unless it holds objects. */
function fieldsOf(value: Json, path: string): [path: string, value: Json][] {
  const under = (key: string): string => (path === '' ? key : `${path}/${key}`);
  if (isObject(value)) {
    return Object.entries(value).flatMap(([key, member]) => fieldsOf(member, under(key)));
  }
  if (isArray(value) && value.some((member) => isObject(member))) {
    return value.flatMap((member, at) => fieldsOf(member, `${path}/${at}`));
  }
  return [[path, value]];
}

function valueAt(value: Json | undefined, path: string): Json | undefined {
  if (path === '') return value;
  let at: Json | undefined = value;
  for (const key of path.split('/')) at = member(at, key);
  return at;
}

function member(value: Json | undefined, key: string): Json | undefined {
  if (isArray(value)) return value[Number(key)];
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function truthyAt(value: Json | undefined, key: string): Json | undefined {
  const found = isObject(value) ? value[key] : undefined;
  return found === undefined || !found ? undefined : found;
}

function isSuccess(value: Json | undefined): boolean {
  return typeof value === 'number' && value >= 0;
}

function numberOf(value: Json | undefined): number {
  return value === undefined || isObject(value) ? Number.NaN : Number(value);
}

function isClose(a: Json | undefined, b: Json | undefined, slack: number): boolean {
  return typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= slack;
}
