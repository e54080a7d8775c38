// node post.mjs: marks in every record whether its outcome is the same in every boot once counts
// that are noisy by nature are set aside.
import fs from 'node:fs';
import path from 'node:path';
import { RECORDS } from './paths.mjs';

const NOISY_OPS = new Set(['zoneinfo', 'buddyinfo', 'fill_node']);
const NOISY_COUNTERS =
  /^(pgalloc|pgfree|pgfault|numa_hit|numa_local|numa_other|numa_pte_updates|compact_)/;

for (const kernel of fs.readdirSync(RECORDS)) {
  const folder = path.join(RECORDS, kernel);
  const sum = { records: 0, deterministic: 0, core: 0, unstable: 0, broken: 0, families: {} };
  const isFamily = (name) => name.endsWith('.json') && !name.startsWith('_');
  for (const name of fs.readdirSync(folder).filter(isFamily).sort()) {
    const file = path.join(folder, name);
    const marked = JSON.parse(fs.readFileSync(file, 'utf8')).map((record) => mark(record, sum));
    const text = marked.map((record) => JSON.stringify(record)).join(',\n');
    fs.writeFileSync(file, `[\n${text}\n]\n`);
  }
  fs.writeFileSync(path.join(folder, '_summary.json'), `${JSON.stringify(sum, null, 1)}\n`);
  console.log(kernel, JSON.stringify({ ...sum, families: undefined }));
}

function mark(record, sum) {
  const left = Object.entries(record.unstable ?? {}).filter((entry) => !isNoise(record, entry));
  const isWhole = !record.broken && !record.missing;
  const isCore = isWhole && left.length === 0;
  // The kind of event was the same in every boot, only numbers differ.
  const amountsVary = left.length > 0 && left.every(([, values]) => areAmounts(values));
  count(record, { isCore, amountsVary }, sum);
  const { id, family, machine, kernel, boots, deterministic, ...rest } = record;
  delete rest.core_deterministic;
  delete rest.amounts_vary;
  const marks = { core_deterministic: isCore, ...(amountsVary ? { amounts_vary: true } : {}) };
  return { id, family, machine, kernel, boots, deterministic, ...marks, ...rest };
}

function count(record, { isCore, amountsVary }, sum) {
  sum.families[record.family] ??= { cases: 0, deterministic: 0, core: 0 };
  const family = sum.families[record.family];
  sum.records++;
  family.cases++;
  if (record.broken || record.missing) sum.broken++;
  if (amountsVary) sum.amounts_vary = (sum.amounts_vary ?? 0) + 1;
  if (record.deterministic) {
    sum.deterministic++;
    family.deterministic++;
  }
  if (isCore) {
    sum.core++;
    family.core++;
  } else sum.unstable++;
}

function isNoise(record, [at, values]) {
  const found = /^\/steps\/(\d+)\/?(.*)$/.exec(at);
  if (found === null) return false;
  const [, number, key] = found;
  const op = record.steps[number]?.op;
  if (NOISY_OPS.has(op)) return !/died/.test(key);
  if (/minflt$/.test(key)) return isNear(values, 1);
  if (/MemFree$/.test(key)) return true;
  return op === 'vmstat_end' && NOISY_COUNTERS.test(key);
}

function isNear(values, distance) {
  const areNumbers = values.every((value) => typeof value === 'number');
  return areNumbers && Math.max(...values) - Math.min(...values) <= distance;
}

function areAmounts(values) {
  const isAmount = (value) => typeof value === 'number' || /^\d+$/.test(value);
  return Array.isArray(values) && values.flat(3).every(isAmount);
}
