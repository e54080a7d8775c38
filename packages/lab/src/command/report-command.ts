import { join } from 'node:path';
import type { Command } from 'commander';
import { reportPage } from '../report/report-page.js';
import { readRun } from '../results/read-run.js';
import { RUN_FILES } from '../results/run-files.js';
import { replaceFile } from '../results/run-folder.js';
import { shortPath, summaryOf } from './summary.js';
import { terminalOf } from './terminal-table.js';

export function addReportCommand(program: Command): void {
  program
    .command('report')
    .description('print the comparison of a run again and write its report.html anew')
    .argument('<dir>', 'folder that a run left')
    .addHelpText('after', '\nExample:\n  mm-lab report runs/compressed-cxl-1-1')
    .action((folder: string) => {
      const run = readRun(folder);
      const path = join(folder, RUN_FILES.report);
      replaceFile(path, reportPage(run));
      process.stdout.write(`${summaryOf(run, terminalOf(process.stdout))}\n`);
      process.stdout.write(`report  ${shortPath(path)}\n`);
    });
}
