// node diff-kernels.mjs <kernel a> <kernel b> [--all]: results that are stable on both and differ.
// Set aside unless --all: noise, page flags, active and dirty counts, amounts of a partial reclaim.
import path from 'node:path';
import { isSet, REPO_RECORDS, readAll } from './paths.mjs';

const NOISY_OPS = new Set(['zoneinfo', 'buddyinfo', 'node_stat', 'fill_node']);
const NOISY_FIELDS = new Set(['kpageflags', 'active', 'dirty', 'Referenced', 'vmflags']);
const RECLAIMS = /^(demotion|memcg|swap|oom|fallback|promotion)$/;
const EXACT_OPS = new Set(['get_mempolicy', 'sys_read', 'move_pages']);
const SHOWN_CHARS = 300;

const [left, right] = process.argv.slice(2);
const all = isSet('all');
const others = recordsOf(right);
const count = { differ: 0, same: 0, amounts: 0 };
for (const [id, record] of recordsOf(left)) {
  const other = others.get(id);
  if (other === undefined) {
    console.log(`${id}: only in ${left}`);
    continue;
  }
  const lines = differences(record, other);
  count[lines.length > 0 ? 'differ' : 'same']++;
  if (lines.length > 0) console.log([id, ...lines].join('\n'));
}
console.error(
  `${count.same} cases equal, ${count.differ} differ; ` +
    `${count.amounts} steps differ in page amounts alone (shown with --all)`,
);

function recordsOf(kernel) {
  return new Map(readAll(path.join(REPO_RECORDS, kernel)).map((record) => [record.id, record]));
}

function differences(record, other) {
  return record.steps.flatMap(({ op, result }, at) => {
    const there = other.steps[at];
    const unstable = [record, other].some((one) => isUnstable(one, at));
    if (there === undefined || unstable || (NOISY_OPS.has(op) && !all)) return [];
    const [mine, theirs] = [clean(op, result), clean(op, there.result)];
    if (JSON.stringify(mine) === JSON.stringify(theirs)) return [];
    if (differInAmounts(record.family, op, mine, theirs)) {
      count.amounts++;
      return [];
    }
    const shown = (value) => JSON.stringify(value).slice(0, SHOWN_CHARS);
    return [
      `  step ${at} ${op}`,
      `    ${left}: ${shown(result)}`,
      `    ${right}: ${shown(there.result)}`,
    ];
  });
}

function isUnstable({ unstable = {} }, at) {
  const step = `/steps/${at}`;
  return Object.keys(unstable).some((key) => key === step || key.startsWith(`${step}/`));
}

function clean(op, result) {
  if (all) return result;
  return JSON.parse(JSON.stringify(result), (key, value) => {
    if (NOISY_FIELDS.has(key)) return undefined;
    return op === 'migrate_pages' && key === 'ret' && value > 0 ? 0 : value;
  });
}

function differInAmounts(family, op, mine, theirs) {
  if (all || !RECLAIMS.test(family) || EXACT_OPS.has(op)) return false;
  const shape = (value) => JSON.stringify(value).replace(/\d+/g, '#');
  const nodes = (value) => Object.keys(value.by_node ?? {}).join();
  return shape(mine) === shape(theirs) && nodes(mine) === nodes(theirs);
}
