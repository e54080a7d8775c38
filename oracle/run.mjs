// Boots guests and turns what they say into records. Node 20 or newer, no dependencies.
//   node run.mjs --kernel <name> --machine <m|all> --boots <n> [--family f] [--id caseid] [--raw]
// Kernels are folders $ORACLE_WORK/kernels/<name>/{vmlinuz,base.cpio}; see run.sh.
import fs from 'node:fs';
import path from 'node:path';
import { bootAll } from './guest.mjs';
import { CASES, isSet, option, RECORDS, readAll } from './paths.mjs';

/** Families that press on whole nodes or use up pages come last. */
const LATE = [
  ...['buddy', 'ksm', 'pin', 'promotion', 'demotion', 'memcg', 'hugetlb', 'fallback', 'oom'],
  ...['hotplug', 'nodeoff', 'hwpoison'],
];
const LARGE_CHARS = 400;

const kernel = option('kernel');
const boots = Number(option('boots', 2));
const cases = chosenCases();
const wanted = option('machine', 'all');
const machineNames =
  wanted === 'all' ? [...new Set(cases.map(({ machine }) => machine))] : wanted.split(',');
const headers = {};
const records = [];
let secs = 0;
for (const name of machineNames) await recordMachine(name);
if (isSet('raw')) printRaw();
else writeRecords();

async function recordMachine(name) {
  const own = cases.filter(({ machine }) => machine === name);
  if (own.length === 0 && !isSet('raw')) return;
  const runs = [];
  for (let boot = 0; boot < boots; boot++) {
    const run = await bootAll(kernel, name, own, `${kernel}-${name}-${boot}`);
    secs += run.secs;
    const count = `${run.results.size}/${own.length} cases, ${run.secs.toFixed(0)} s`;
    console.error(`${kernel} ${name} boot ${boot + 1}: ${count}`);
    runs.push(run);
  }
  headers[name] = runs[0].header;
  for (const kase of own) {
    const results = runs.map((run) => run.results.get(kase.id));
    records.push(recordOf(kase, results, headers[name]?.release));
  }
}

/** The HMM cases need a kernel with the test device: it is given them alone by --family hmm. */
function chosenCases() {
  const families = option('family')?.split(',');
  const ids = option('id')?.split(',');
  const rank = ({ family }) => {
    if (family === 'topology') return -1;
    return family === 'buddy' ? 0 : 1 + LATE.indexOf(family);
  };
  return readAll(CASES)
    .filter(({ family }) => (families === undefined ? family !== 'hmm' : families.includes(family)))
    .filter(({ id }) => ids === undefined || ids.some((wantedId) => id.startsWith(wantedId)))
    .sort((a, b) => rank(a) - rank(b));
}

function recordOf(kase, results, release) {
  const seen = results.filter(Boolean);
  const unstable = {};
  if (seen.length === boots) findDifferences(results.map(comparable), '', unstable);
  const [first] = seen;
  const isUnstable = Object.keys(unstable).length > 0;
  return {
    id: kase.id,
    family: kase.family,
    machine: kase.machine,
    kernel: release,
    boots: seen.length,
    ...(first === undefined ? { missing: true } : {}),
    ...(first?.broken ? { broken: first.broken } : {}),
    deterministic: seen.length === boots && !isUnstable,
    ...(isUnstable ? { unstable } : {}),
    steps: (first?.steps ?? []).map((result, at) => ({ op: kase.steps[at].op, result })),
  };
}

function comparable({ steps = [], broken }) {
  const byNumber = Object.fromEntries(steps.map((step, at) => [at, step]));
  return { steps: byNumber, ...(broken ? { broken } : {}) };
}

/** Paths at which the boots differ, with the values seen. */
function findDifferences(values, at, found) {
  const texts = values.map((value) => JSON.stringify(value));
  if (texts.every((text) => text === texts[0])) return;
  if (values.every((value) => value && typeof value === 'object' && !Array.isArray(value))) {
    for (const key of new Set(values.flatMap((value) => Object.keys(value)))) {
      const below = values.map((value) => value[key]);
      findDifferences(below, `${at}/${key}`, found);
    }
    return;
  }
  const isLarge = values.some((value) => JSON.stringify(value ?? null).length > LARGE_CHARS);
  found[at] = isLarge ? '(large)' : values.map((value) => value ?? null);
}

function printRaw() {
  if (isSet('header')) console.log(JSON.stringify(headers, null, 1));
  for (const record of records) {
    console.log(`== ${record.id} det=${record.deterministic} ${record.broken ?? ''}`);
    const { steps } = cases.find(({ id }) => id === record.id);
    for (const [at, { result }] of record.steps.entries()) {
      console.log(`  ${at} ${JSON.stringify(steps[at])}\n      -> ${JSON.stringify(result)}`);
    }
    if (record.unstable) console.log('  unstable', JSON.stringify(record.unstable));
  }
}

function writeRecords() {
  const folder = path.join(RECORDS, kernel);
  fs.mkdirSync(folder, { recursive: true });
  for (const family of new Set(records.map((record) => record.family))) {
    const own = records.filter((record) => record.family === family);
    const text = `[\n${own.map((record) => JSON.stringify(record)).join(',\n')}\n]\n`;
    fs.writeFileSync(path.join(folder, `${family}.json`), text);
  }
  const file = path.join(folder, '_topology.json');
  const before = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
  fs.writeFileSync(file, `${JSON.stringify({ ...headers, ...before }, null, 1)}\n`);
  const same = records.filter(({ deterministic }) => deterministic).length;
  const lost = records.filter(({ broken, missing }) => broken || missing).length;
  console.error(
    `${records.length} records in ${folder}, ${same} the same in ${boots} boots, ` +
      `${lost} broken or missing; ${secs.toFixed(0)} s of guest time`,
  );
}
