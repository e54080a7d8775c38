import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const SET = fileURLToPath(new URL('../../../../conformance/cases', import.meta.url));
const RECORDS = join(SET, 'kernel-records/records/7.3.4/mempolicy-errno.json');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mm-lab-conform-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: readonly string[]) {
  const ended = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: folder });
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}

describe.runIf(existsSync(CLI) || process.env.CI !== undefined)('mm-lab conform', () => {
  test('emits what the rule of the records accepts', () => {
    const emitted = join(folder, 'emitted.jsonl');
    const { code, out } = run(CLI, 'conform', RECORDS, '--emit', emitted);
    expect([code, out.trim().split('\n').at(-1)]).toEqual([0, '28 passed, 0 failed, 0 skipped']);
    const judged = run(join(SET, 'compare.mjs'), RECORDS, emitted);
    expect([judged.code, judged.out.trim().split('\n').at(-1)]).toEqual([
      0,
      '28 passed, 0 failed, 0 skipped',
    ]);
  });

  test('says how many of the passed needed a fresh boot alone', () => {
    const { out } = run(CLI, 'conform', RECORDS);
    expect(out.trim().split('\n').slice(-2)).toEqual([
      'of the passed, 28 on a fresh boot alone, with nothing read from their record',
      '28 passed, 0 failed, 0 skipped',
    ]);
    const { totals, passedOnFreshBoot } = JSON.parse(run(CLI, 'conform', RECORDS, '--json').out);
    expect([totals, passedOnFreshBoot]).toEqual(['28 passed, 0 failed, 0 skipped', 28]);
  });

  test('tells what differs, and fails', () => {
    const records = join(folder, 'mempolicy-errno.json');
    const [first] = JSON.parse(readFileSync(RECORDS, 'utf8'));
    first.steps[0].result = { ret: 5 };
    writeFileSync(records, JSON.stringify([first]));
    const cases = join(SET, 'kernel-records/cases');
    const { code, out } = run(CLI, 'conform', records, '--cases', cases);
    expect(code).toBe(1);
    expect(out).toContain(`${first.id}: step 0 ${first.steps[0].op} ret: kernel 5, model -1`);
    const gaps = join(folder, 'gaps.json');
    writeFileSync(gaps, JSON.stringify({ [first.id]: 'made up' }));
    const known = run(CLI, 'conform', records, '--cases', cases, '--known-gaps', gaps);
    expect([known.code, known.err]).toEqual([0, '']);
    const closed = run(CLI, 'conform', RECORDS, '--case', first.id, '--known-gaps', gaps);
    expect([closed.code, closed.out]).toEqual([
      1,
      expect.stringContaining(`a known gap that passes now: ${first.id}`),
    ]);
  });

  test('says a mistake in one line, before the cases run unless it is where to write', () => {
    const list = join(folder, 'list.json');
    writeFileSync(list, '["mbind-hole"]');
    const unexplained = join(folder, 'unexplained.json');
    writeFileSync(unexplained, '{ "mbind-hole": 1 }');
    const mistakes = [
      ['nothing'],
      [RECORDS, '--case', 'nothing'],
      [RECORDS, '--case', 'mempolicy-errno-*,nothing'],
      [RECORDS, '--family', 'mempolicy-errno,nothing'],
      [RECORDS, '--known-gaps', 'x'],
      [RECORDS, '--known-gaps', list],
      [RECORDS, '--known-gaps', unexplained],
      [RECORDS, '--update-known-gaps'],
      [RECORDS, '--emit', join(folder, 'nowhere', 'emitted.jsonl')],
    ];
    const said = mistakes.map((args) => {
      const { code, out, err } = run(CLI, 'conform', ...args);
      return `${code} ${out}${err}`.replaceAll(folder, '.').replaceAll(SET, 'SET');
    });
    expect(said.join('')).toMatchInlineSnapshot(`
      "2 mm-lab: there is no ./nothing (give records, cases or a folder of them; see \`mm-lab help conform\`)
      2 mm-lab: no case has the id "nothing" (a star at the end of --case stands for the rest; a run without either lists the families)
      2 mm-lab: no case has the id "nothing" (a star at the end of --case stands for the rest; a run without either lists the families)
      2 mm-lab: no case has the family "nothing" (a star at the end of --case stands for the rest; a run without either lists the families)
      2 mm-lab: x: ENOENT: no such file or directory, open 'x' (give --known-gaps a JSON object of case ids and reasons)
      2 mm-lab: ./list.json is no list of known gaps (give --known-gaps a JSON object of case ids and reasons)
      2 mm-lab: ./unexplained.json: mbind-hole has no reason (give --known-gaps a JSON object of case ids and reasons)
      2 mm-lab: --update-known-gaps has no list to write (give --known-gaps too)
      2 family           passed  failed  skipped
      mempolicy-errno      28       0        0
      mm-lab: ./nowhere/emitted.jsonl: ENOENT: no such file or directory, open './nowhere/emitted.jsonl' (give --emit a file that this user may write, on a disk with room)
      "
    `);
  });

  test('there are cases such as the help asks for', () => {
    const help = run(CLI, 'conform', '--help').out;
    const [, ids = ''] = / --case '(\S+)' --diff/.exec(help) ?? [];
    const { code, out } = run(CLI, 'conform', join(SET, '..'), '--case', ids);
    expect(ids).not.toBe('');
    expect(code).toBe(0);
    expect(out.trim().split('\n').at(-1)).toMatch(/^[1-9]\d* passed, 0 failed, 0 skipped$/);
  });
});
