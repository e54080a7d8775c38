import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { LabError } from '../error/lab-error.js';
import type { Params } from '../experiment/experiment.js';
import { execute, parseSeed, parseWhole } from './execute.js';

interface RunCommandOptions {
  readonly seed?: number;
  readonly out?: string;
  readonly rows?: number;
  readonly variant?: readonly string[];
  readonly param: Params;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  mm-lab run experiments/compressed-cxl.ts
  mm-lab run experiments/compressed-cxl.ts --rows 50000 --variant cram --variant zram
  mm-lab run experiments/outrun-the-bear.ts --seed 7 --out runs/bear --json`;

const ROWS_MAX = 2 ** 26;

export function addRunCommand(program: Command, setExitCode: (code: number) => void): void {
  program
    .command('run')
    .description('run an experiment and leave its results in a folder')
    .argument('<file>', 'a module with `export default defineExperiment({...})`')
    .option('--seed <n>', 'another seed than the experiment says', parseSeed)
    .option('--out <dir>', 'folder for the results (default: runs/<experiment>-<seed>-<n>)')
    .option('--rows <n>', 'play at most so many rows of the trace', parseRows)
    .option('--variant <name>', 'run this variant only; may be repeated', collect, [])
    .option('--param <name=value>', 'change a parameter; may be repeated', collectParam, {})
    .option('--json', 'print results.json instead of the table')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, options: RunCommandOptions) => {
      const path = resolve(file);
      const code = await execute({
        ref: { kind: 'file', path },
        folder: dirname(path),
        seed: options.seed,
        params: options.param,
        variants: options.variant ?? [],
        rowsMax: options.rows,
        out: options.out,
        json: options.json ?? false,
      });
      setExitCode(code);
    });
}

/** @throws LabError OPTION_BAD */
export function parseRows(text: string): number {
  return parseWhole('--rows', text, { min: 1, max: ROWS_MAX });
}

function collect(name: string, names: readonly string[]): readonly string[] {
  return [...names, name];
}

function collectParam(text: string, params: Params): Params {
  const match = /^([^=]+)=(.+)$/.exec(text);
  const value = Number(match?.[2]);
  const name = match?.[1];
  if (name === undefined || !Number.isFinite(value)) {
    throw new LabError('OPTION_BAD', `--param is ${JSON.stringify(text)}`, {
      hint: 'give name=number',
    });
  }
  return { ...params, [name]: value };
}
