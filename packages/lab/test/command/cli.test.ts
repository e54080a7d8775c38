import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REQUIRED_STATS } from '../../src/results/results.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const QUICK = ['--rows', '20000', '--backends', 'all-dram,cram'];

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mm-lab-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the built command in the test's folder; `interruptAt` sends Ctrl-C once that was said. */
function lab(args: readonly string[], interruptAt?: string): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: folder });
  let out = '';
  let err = '';
  let interrupted = false;
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
    const isDue = interruptAt !== undefined && err.includes(interruptAt);
    if (isDue && !interrupted) interrupted = child.kill('SIGINT');
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

/** What depends on the seed alone. */
function withoutWall(results: string): string {
  return results.replace(/^.*"(?:wall\.\w+|commit)".*\n/gm, '');
}

// The workers are built code: `npm test` builds before it tests.
// Without a build there is nothing to run; where a build is certain, its absence is a failure.
describe.runIf(existsSync(CLI) || process.env.CI !== undefined)('the built command', () => {
  test('ends quietly when its reader has seen enough', async () => {
    const child = spawn(process.execPath, [CLI, 'hooks', '--json'], { cwd: folder });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, err]).toEqual([0, '']);
  });

  test('leaves a whole folder, and the same one for the same seed', async () => {
    const one = await lab(['compare', ...QUICK, '--out', 'one', '--json']);
    const two = await lab(['compare', ...QUICK, '--out', 'two', '--json']);
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(readdirSync(join(folder, 'one')).sort()).toEqual([
      'experiment.json',
      'report.html',
      'results.json',
      'series.json',
      'sites.json',
      'trace.json',
    ]);
    expect(withoutWall(two.out)).toBe(withoutWall(one.out));
    for (const name of ['series.json', 'sites.json', 'trace.json', 'experiment.json']) {
      const read = (run: string) => readFileSync(join(folder, run, name), 'utf8');
      expect(read('two'), name).toBe(read('one'));
    }
    const [, cram] = JSON.parse(one.out).variants;
    expect(cram.plugins).toContain('cram');
    expect(Object.keys(cram.stats)).toEqual(expect.arrayContaining([...REQUIRED_STATS]));
  });

  test('another seed gives other results', async () => {
    const other = await lab(['compare', ...QUICK, '--seed', '2', '--json', '--out', 'other']);
    const first = readFileSync(join(folder, 'one', 'results.json'), 'utf8');
    expect(withoutWall(other.out)).not.toBe(withoutWall(first));
  });

  test('says a mistake in one line with code 2, and leaves nothing', async () => {
    const mistakes = [
      ['frobnicate'],
      ['compare', '--frobnicate'],
      ['compare', '--backends', 'magic'],
      ['compare', '--dram', 'much'],
      ['compare', '--trace', 'nothing'],
      ['run', 'nothing.ts'],
      ['report', 'nothing'],
      ['trace', 'info', 'nothing.csv'],
      ['hooks', '--run', 'nothing'],
    ];
    const before = readdirSync(folder);
    for (const args of mistakes) {
      const { code, out, err } = await lab(args);
      const line = expect.stringMatching(/^mm-lab: .*\n$/);
      expect({ args, code, out, err }).toEqual({ args, code: 2, out: '', err: line });
    }
    expect(readdirSync(folder).sort()).toEqual(before.sort());
  });

  test('says an impossible machine in one line, from inside a worker', async () => {
    const path = join(folder, 'impossible.ts');
    writeFileSync(
      path,
      `export default { kind: 'mm-lab experiment', question: 'q', seed: 1, params: {}, claims: [],
        columns: [], machine: { nodes: [{ id: 0, pages: 64, cpus: 1 }, { id: 0, pages: 64 }] },
        workload: { generator: 'scan', options: { rows: 10, pages: 4 } },
        variants: [{ name: 'twice', plugins: () => [] }] };`,
    );
    const { code, err } = await lab(['run', path]);
    expect([code, err.trim().split('\n').at(-1)]).toEqual([
      2,
      expect.stringMatching(/^mm-lab: two nodes have the same id/),
    ]);
  });

  test('shows a bug in an experiment with its stack, and code 1', async () => {
    const path = join(folder, 'buggy.ts');
    writeFileSync(
      path,
      `export default { kind: 'mm-lab experiment', question: 'q', seed: 1, params: {}, claims: [],
        columns: [], machine: { nodes: [{ id: 0, pages: 1024, cpus: 1 }] },
        workload: { generator: 'scan', options: { rows: 10, pages: 4 } },
        variants: [{ name: 'oops', plugins: () => { throw new RangeError('oops'); } }] };`,
    );
    const { code, err } = await lab(['run', path]);
    expect([code, err]).toEqual([1, expect.stringMatching(/RangeError: oops\n\s+at .*buggy\.ts/)]);
  });

  test('Ctrl-C ends it with code 130, one line and nothing left', async () => {
    const before = readdirSync(folder);
    const { code, err } = await lab(['compare', '--out', 'stopped'], 'trace redis-kv');
    expect(code).toBe(130);
    expect(err).toMatch(/^trace .*\n(?:\S+ +[\d.]+ s, .*\n)*mm-lab: interrupted.*\n$/);
    expect(readdirSync(folder).sort()).toEqual(before.sort());
  });

  test('prints help with examples', async () => {
    for (const args of [['--help'], ['help', 'run'], ['compare', '--help']]) {
      const { code, out } = await lab(args);
      expect([code, out]).toEqual([0, expect.stringContaining('Examples:')]);
    }
  });
});
