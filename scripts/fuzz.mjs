// Fuzzes the model for long: `node scripts/fuzz.mjs --steps 1000000 --seed 1`. Each seed is one
// machine that takes `--run` steps; every step is verified. Runs built code (`pnpm build`).
// `--only SEED` replays one seed. Ends at the first finding, which names its seed and step, or
// with `--keep-going` counts them. `--driver cram` puts a driver on the machines. `--classic` has
// only the operations of the first fuzzer.

import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    run: { type: 'string', default: '400' },
    only: { type: 'string' },
    driver: { type: 'string', default: 'none' },
    classic: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
});
const number = (name, least) => {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= least) return value;
  console.error(`fuzz: --${name} is a whole number of at least ${least}`);
  process.exit(2);
};
const steps = number('steps', 1);
const stepsPerRun = number('run', 1);
const first = number('seed', 0);
const { DRIVERS } = await import('./lib/fuzz-drivers.mjs');
const optionsOf = DRIVERS[values.driver];
if (optionsOf === undefined) {
  console.error(`fuzz: --driver is one of ${Object.keys(DRIVERS).join(', ')}`);
  process.exit(2);
}
const { fuzzMachine, FuzzFailure } = await import('@mm-lab/testkit');

/** What the model of a program cannot miss: poison, and what a device could not keep. */
const DEVICE_EVENTS = [
  'device.poison_injected',
  'device.overflow_events',
  'integrity.lost_unread_pages',
];
const total = { steps: 0, runs: 0, checks: 0, losses: 0, findings: 0 };
const operations = new Map();
const events = new Map();
const begin = performance.now();
let shown = begin;

if (values.only === undefined) {
  for (let seed = first; total.steps < steps; seed++) one(seed);
} else {
  one(number('only', 0));
}
summary();
process.exitCode = total.findings === 0 ? 0 : 1;

function one(seed) {
  try {
    const options = { seed, steps: stepsPerRun, classic: values.classic };
    const report = fuzzMachine({ ...options, ...optionsOf(seed) });
    total.checks += report.checks;
    total.losses += report.losses;
    for (const [name, count] of Object.entries(report.operations)) add(operations, name, count);
    for (const [name, count] of Object.entries(report.stats)) {
      if (name.startsWith('vmstat.')) add(events, name.slice('vmstat.'.length), count);
      if (DEVICE_EVENTS.includes(name)) add(events, name, count);
    }
  } catch (failure) {
    if (!(failure instanceof FuzzFailure)) throw failure;
    total.findings++;
    console.log(failure.message);
    if (!values['keep-going']) {
      console.log(failure.cause?.stack);
      const classic = values.classic ? ' --classic' : '';
      const replay = `--only ${seed} --run ${failure.step + 1} --driver ${values.driver}${classic}`;
      console.log(`replay: node scripts/fuzz.mjs ${replay}`);
      process.exit(1);
    }
  }
  total.steps += stepsPerRun;
  total.runs++;
  progress(seed);
}

function progress(seed) {
  const now = performance.now();
  if (now - shown < 2000) return;
  shown = now;
  const rate = Math.round(total.steps / ((now - begin) / 1000));
  const share = ((100 * total.steps) / steps).toFixed(1);
  const done = `${total.steps} of ${steps} steps (${share} %)`;
  const line = `${done}, seed ${seed}, ${rate} steps/s, ${total.findings} findings`;
  if (process.stdout.isTTY) process.stdout.write(`\r${line}\x1b[K`);
  else if (Math.floor(now / 30_000) !== Math.floor((now - 2000) / 30_000)) console.log(line);
}

function summary() {
  const seconds = (performance.now() - begin) / 1000;
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
  console.log(`${total.steps} steps in ${total.runs} runs, ${seconds.toFixed(0)} s`);
  const { checks, losses, findings } = total;
  const lost = `${losses} lost pages counted`;
  console.log(`${checks} accesses checked, ${lost}, ${findings} findings`);
  console.log(`operations: ${list(operations)}`);
  console.log(`events: ${list(events)}`);
}

function list(counts) {
  const some = [...counts].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  return some.map(([name, count]) => `${name} ${count}`).join(', ');
}

function add(counts, name, by) {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
