import { resolve } from 'node:path';
import { SHIPPED_TRACES } from '@mm-lab/workloads';
import type { Command } from 'commander';
import { BACKEND_NAMES, type BackendName, isBackendName } from '../compare/backends.js';
import { DEFAULT_TRACE } from '../compare/compare-options.js';
import { LabError } from '../error/lab-error.js';
import { execute, parseSeed } from './execute.js';
import { parseRows } from './run-command.js';
import { PAGE_BYTES, parsePages } from './size.js';

interface CompareCommandOptions {
  readonly trace: string;
  readonly pages?: string;
  readonly sizes?: string;
  readonly events?: string;
  readonly dram?: number;
  readonly device?: number;
  readonly physical?: number;
  readonly backends: readonly BackendName[];
  readonly seed: number;
  readonly rows?: number;
  readonly out?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Sizes are written 12M, 1.5G, 512K or 3000pages. Unless you say otherwise, DRAM
holds two thirds of the trace's pages, and the device addresses as many pages as the trace has, on a
medium for a fifth of them. zswap compresses in up to a fifth of DRAM before it writes to
the disk, zswap-shrinker in as much as reclaim lets it, zram in all of it.

Examples:
  mm-lab compare
  mm-lab compare --trace sort-text --dram 16M --device 32M --physical 8M
  mm-lab compare --trace app.trace.csv.gz --pages app.core.gz --sizes app.sizes.csv.gz
  mm-lab compare --backends cram,zswap,zram,disk --rows 50000 --json`;

export function addCompareCommand(program: Command, setExitCode: (code: number) => void): void {
  program
    .command('compare')
    .description('compare ways to use a device on a trace, without an experiment file')
    .option('--trace <trace>', `file, or one of ${SHIPPED_TRACES.join(', ')}`, DEFAULT_TRACE)
    .option('--pages <file>', 'ELF core with the contents of its pages')
    .option('--sizes <file>', 'table of compressed sizes of its pages')
    .option('--events <file>', 'address-space events of the same run')
    .option('--dram <size>', 'DRAM', parsePages)
    .option('--device <size>', 'memory that the device lets the host address', parsePages)
    .option('--physical <size>', 'memory that the device really has', parsePages)
    .option('--backends <names>', 'comma-separated', parseBackends, BACKEND_NAMES)
    .option('--seed <n>', 'seed of everything random', parseSeed, 1)
    .option('--rows <n>', 'play at most so many rows of the trace', parseRows)
    .option('--out <dir>', 'folder for the results (default: runs/compare-<seed>-<n>)')
    .option('--json', 'print results.json instead of the table')
    .addHelpText('after', EXAMPLES)
    .action(async (options: CompareCommandOptions) => {
      const { trace, pages, sizes, events, backends, seed } = options;
      const code = await execute({
        ref: {
          kind: 'compare',
          options: {
            trace,
            pages,
            sizes,
            events,
            backends,
            seed,
            dramPages: options.dram,
            devicePages: options.device,
            physicalBytes: options.physical && options.physical * PAGE_BYTES,
          },
        },
        folder: resolve('.'),
        seed,
        params: {},
        variants: [],
        rowsMax: options.rows,
        out: options.out,
        json: options.json ?? false,
      });
      setExitCode(code);
    });
}

/** @throws LabError BACKEND_UNKNOWN */
function parseBackends(text: string): readonly BackendName[] {
  const names = text.split(',').map((name) => name.trim());
  const known = names.filter(isBackendName);
  const unknown = names.filter((name) => !isBackendName(name));
  const [first] = unknown;
  if (first !== undefined) {
    throw new LabError('BACKEND_UNKNOWN', `there is no backend ${JSON.stringify(first)}`, {
      hint: `give names out of ${BACKEND_NAMES.join(', ')}`,
    });
  }
  return [...new Set(known)];
}
