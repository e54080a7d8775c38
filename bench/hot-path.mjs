// How fast the access engine runs where nothing faults, beside the bare loop over typed arrays in
// the same process: `node bench/hot-path.mjs [--pages 6000,262144] [--rows 8000000] [--runs 7]`.
// Built code only (`pnpm build`). Times are CPU seconds of the process; read the ratio.

import { parseArgs } from 'node:util';
import { median, randomTrace, replaySeconds, since } from './lib/measure.mjs';

const { values } = parseArgs({
  options: {
    pages: { type: 'string', default: '6000,262144' },
    rows: { type: 'string', default: '8000000' },
    runs: { type: 'string', default: '7' },
    writes: { type: 'string', default: '0.3' },
  },
});
const rows = Number(values.rows);
const runs = Number(values.runs);
const writes = Number(values.writes);
const ABIT = 1 << 30;

for (const pages of values.pages.split(',').map(Number)) {
  const { engine, bare } = measure(pages);
  const [fast, base] = [median(engine), median(bare)];
  const ratio = median(engine.map((rate, run) => rate / bare[run])).toFixed(2);
  const figures = `engine ${fast.toFixed(1)}, bare ${base.toFixed(1)} M rows/s, ratio ${ratio}`;
  console.log(`${String(pages).padStart(7)} pages: ${figures} (median of ${runs})`);
}

/** M rows/s of both loops, run by turns. */
function measure(pages) {
  const trace = randomTrace({ pages, rows, writes });
  const touched = Uint32Array.from(trace.ref.subarray(2 * pages), (ref) => ref >>> 1);
  const table = new Int32Array(pages + 512);
  const engine = [];
  const bare = [];
  for (let run = 0; run <= runs; run++) {
    const fast = rows / replaySeconds(pages, trace, []) / 1e6;
    const base = rows / bareSeconds(touched, table) / 1e6;
    if (run === 0) continue;
    engine.push(fast);
    bare.push(base);
  }
  return { engine, bare };
}

/** The loop of a simulator that does nothing but set accessed bits. */
function bareSeconds(touched, table) {
  const begin = process.cpuUsage();
  for (let at = 0; at < touched.length; at++) {
    const page = touched[at];
    table[page] = table[page] | ABIT;
  }
  return since(begin);
}
