import { Command, CommanderError } from 'commander';
import { versionOfLab } from '../results/commit.js';
import { addCompareCommand } from './compare-command.js';
import { addConformCommand } from './conform-command.js';
import { EXIT, endingOf } from './exit.js';
import { addHooksCommand } from './hooks-command.js';
import { addReportCommand } from './report-command.js';
import { addRunCommand } from './run-command.js';
import { addTraceCommand } from './trace-command.js';

const EXAMPLES = `
Examples:
  mm-lab compare                                   every backend on the shipped redis-kv trace
  mm-lab compare --dram 12M --backends cram,zram   two of them, with less memory
  mm-lab run experiments/compressed-cxl.ts         an experiment of one's own
  mm-lab report runs/compressed-cxl-1-1            the report again, from a run's numbers
  mm-lab trace info redis-kv                       what is in a trace
  mm-lab hooks                                     every place in mm that asks about private memory
  mm-lab conform conformance                       against what real kernels were recorded doing

Exit codes: 0 done; 1 a claim or a case failed, or a bug; 2 a mistake in what was asked;
130 Ctrl-C.`;

/**
 * Runs the command line.
 *
 * @returns the exit code; what went wrong was written to the standard error stream
 */
export async function main(argv: readonly string[]): Promise<number> {
  const outcome = { code: EXIT.ok as number };
  const program = programOf((code) => {
    outcome.code = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return outcome.code;
  } catch (error) {
    const { text, code } = endingOf(error);
    if (text !== '') process.stderr.write(`${text}\n`);
    return code;
  }
}

function programOf(setExitCode: (code: number) => void): Command {
  const program = new Command('mm-lab')
    .description('Compares ways to use device memory in an executable model of Linux mm.')
    .version(versionOfLab(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', EXAMPLES);
  addRunCommand(program, setExitCode);
  addCompareCommand(program, setExitCode);
  addReportCommand(program);
  addTraceCommand(program);
  addHooksCommand(program);
  addConformCommand(program, setExitCode);
  program.action(() => {
    const [word] = program.args;
    if (word === undefined) program.help();
    throw new CommanderError(2, 'mm-lab.unknownCommand', `unknown command '${word}'`);
  });
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({ outputError: () => undefined });
    command.showSuggestionAfterError(true);
  }
  program.allowExcessArguments(true);
  return program;
}

function everyCommand(program: Command): readonly Command[] {
  const all: Command[] = [program];
  for (const command of all) all.push(...command.commands);
  return all;
}
